/* What the emulated GPU promises of memory, streams, events, graphs and limits: CUDA's rules, kept strictly. */
#include "tests/cuda/report.h"
#include "tests/cuda_emulation/emulation.h"

#include <hardware.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
extern "C" {
#include <cmocka.h>
}

#define OK(call) assert_int_equal(call, cudaSuccess)

static int reset(void **)
{
    emulation_set_machine(&emulation_usual_machine);
    return emulation_allocated() == 0 && cudaGetLastError() == cudaSuccess ? 0 : -1;
}

static int *device_ints(size_t count)
{
    int *device = NULL;
    OK(cudaMalloc(&device, count * sizeof *device));
    return device;
}

static int fetch_int(const int *device)
{
    int value;
    OK(cudaMemcpy(&value, device, sizeof value, cudaMemcpyDeviceToHost));
    return value;
}

__global__ void set(int *out, int value)
{
    out[blockIdx.x * blockDim.x + threadIdx.x] = value;
}

__global__ void add(int *to, const int *from)
{
    *to += *from;
}

/* ---- Memory ---- */

static void new_memory_is_nan_and_aligned(void **)
{
    float *memory = NULL, got[100];
    OK(cudaMalloc(&memory, sizeof got));
    assert_int_equal((uintptr_t)memory % 256, 0);
    OK(cudaMemcpy(got, memory, sizeof got, cudaMemcpyDeviceToHost));
    for (float value : got)
        assert_true(isnan(value));
    OK(cudaFree(memory));
}

static void read_by_host(void *data)
{
    printf("%d", *(volatile int *)data);
}

static void set_beyond(void *data)
{
    LAUNCH(set, 1, 1, 0, 0, (int *)data + 10, 1);
    cudaDeviceSynchronize();
}

static void set_far_beyond(void *data)
{
    LAUNCH(set, 2, 1024, 0, 0, (int *)data, 1);
    cudaDeviceSynchronize();
}

static void set_freed(void *data)
{
    cudaFree(data);
    LAUNCH(set, 1, 1, 0, 0, (int *)data, 1);
    cudaDeviceSynchronize();
}

static void set_on_host(void *)
{
    int here[1];
    LAUNCH(set, 1, 1, 0, 0, here, 1);
}

static void what_touches_memory_wrongly_is_reported(void **)
{
    int *memory = device_ints(10);
    EXPECT_REPORT(read_by_host, memory, "the host touches device memory", "byte 0 of an allocation of 40 bytes");
    EXPECT_REPORT(set_freed, memory, "access outside of device memory", "that was freed", "set (launched at");
    EXPECT_REPORT(set_on_host, memory, "set (launched at", "memory of the host");
#if defined(__SANITIZE_ADDRESS__)
    EXPECT_REPORT(set_beyond, memory, "use-after-poison");
    EXPECT_REPORT(set_far_beyond, memory, "use-after-poison");
#else
    EXPECT_REPORT(set_beyond, memory, "byte 0 beyond the end of an allocation of 40 bytes was written");
    EXPECT_REPORT(set_far_beyond, memory, "of an allocation of 40 bytes", "set (launched at", "thread (");
#endif
    OK(cudaFree(memory));
}

static void memory_ends(void **)
{
    struct emulation_machine small = emulation_usual_machine;
    size_t available = 0, total = 0;
    void *first = NULL, *second = &first;
    small.memory = 1000;
    emulation_set_machine(&small);
    OK(cudaMalloc(&first, 600));
    assert_int_equal(cudaMalloc(&second, 401), cudaErrorMemoryAllocation);
    assert_null(second);
    assert_int_equal(cudaPeekAtLastError(), cudaErrorMemoryAllocation);
    assert_int_equal(cudaGetLastError(), cudaErrorMemoryAllocation);
    OK(cudaGetLastError());
    OK(cudaMemGetInfo(&available, &total));
    assert_int_equal(available, 400);
    assert_int_equal(total, 1000);
    OK(cudaMalloc(&second, 400));
    OK(cudaFree(first));
    OK(cudaFree(second));
    assert_int_equal(cudaFree(second), cudaErrorInvalidValue);
    assert_int_equal(cudaGetLastError(), cudaErrorInvalidValue);
}

static void copies_are_held_to_their_direction_and_size(void **)
{
    int host[4] = {1, 2, 3, 4}, *device = device_ints(4);
    assert_int_equal(cudaMemcpy(device, host, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(host, device, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    assert_int_equal(cudaMemcpy(device + 1, host, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    assert_int_equal(cudaMemset(device + 1, 0, 16), cudaErrorInvalidValue);
    OK(cudaMemcpy(device, host, 16, cudaMemcpyDefault));
    OK(cudaMemset(device, 0, 8));
    assert_int_equal(fetch_int(device + 1), 0);
    assert_int_equal(fetch_int(device + 2), 3);
    (void)cudaGetLastError();
    OK(cudaFree(device));
}

/* ---- Limits ---- */

static cudaError_t launched(dim3 grid, dim3 block, size_t shared)
{
    int *device = device_ints(1);
    /* refused, or never run: the queue of a stream that is being captured is thrown away */
    cudaStream_t stream;
    cudaGraph_t graph;
    OK(cudaStreamCreate(&stream));
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    LAUNCH(set, grid, block, shared, stream, device, 0);
    const cudaError_t code = cudaGetLastError();
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaGraphDestroy(graph));
    OK(cudaStreamDestroy(stream));
    OK(cudaFree(device));
    return code;
}

static void launches_are_held_to_the_limits(void **)
{
    OK(launched(0x7fffffff, 1024, 48 << 10));
    assert_int_equal(launched(1, 1025, 0), cudaErrorInvalidConfiguration);
    assert_int_equal(launched(1, dim3(32, 1, 65), 0), cudaErrorInvalidConfiguration);
    assert_int_equal(launched(1, 0, 0), cudaErrorInvalidConfiguration);
    assert_int_equal(launched(0, 1, 0), cudaErrorInvalidConfiguration);
    assert_int_equal(launched(0x80000000u, 1, 0), cudaErrorInvalidConfiguration);
    assert_int_equal(launched(dim3(1, 65536), 1, 0), cudaErrorInvalidConfiguration);
    assert_int_equal(launched(1, 1, (48 << 10) + 1), cudaErrorInvalidValue);
    const cudaFuncAttribute most = cudaFuncAttributeMaxDynamicSharedMemorySize;
    assert_int_equal(cudaFuncSetAttribute((const void *)set, most, (227 << 10) + 1), cudaErrorInvalidValue);
    (void)cudaGetLastError();
    OK(cudaFuncSetAttribute((const void *)set, most, 227 << 10));
    OK(launched(1, 1, 227 << 10));
    OK(cudaFuncSetAttribute((const void *)set, most, 48 << 10));
}

/* ---- Streams and events ---- */

static void work_is_done_when_it_is_waited_for(void **)
{
    int *device = device_ints(1), *pinned = NULL, pageable = 5;
    cudaStream_t stream;
    OK(cudaMallocHost(&pinned, sizeof *pinned));
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    LAUNCH(set, 1, 1, 0, stream, device, 7);
    OK(cudaMemcpyAsync(pinned, device, sizeof *pinned, cudaMemcpyDeviceToHost, stream));
    assert_int_equal(*pinned, -1); /* as it was allocated */
    OK(cudaStreamSynchronize(stream));
    assert_int_equal(*pinned, 7);
    OK(cudaMemcpyAsync(device, pinned, sizeof *pinned, cudaMemcpyHostToDevice, stream));
    *pinned = 8; /* too early: this is what arrives */
    OK(cudaStreamSynchronize(stream));
    assert_int_equal(fetch_int(device), 8);
    OK(cudaMemcpyAsync(device, &pageable, sizeof pageable, cudaMemcpyHostToDevice, stream));
    pageable = 6; /* CUDA has its copy */
    OK(cudaMemcpyAsync(&pageable, device, sizeof pageable, cudaMemcpyDeviceToHost, stream));
    assert_int_equal(pageable, 5); /* to pageable memory it waits */
    OK(cudaStreamDestroy(stream));
    OK(cudaFreeHost(pinned));
    OK(cudaFree(device));
}

static void events_are_reached_by_asking_twice_or_by_waiting(void **)
{
    int *device = device_ints(1), *pinned = NULL;
    cudaStream_t stream, other;
    cudaEvent_t first, second;
    OK(cudaMallocHost(&pinned, 2 * sizeof *pinned));
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    OK(cudaEventCreate(&first));
    OK(cudaEventCreate(&second));
    OK(cudaEventQuery(first)); /* never recorded */
    LAUNCH(set, 1, 1, 0, stream, device, 1);
    OK(cudaMemcpyAsync(pinned, device, sizeof *pinned, cudaMemcpyDeviceToHost, stream));
    OK(cudaEventRecord(first, stream));
    LAUNCH(set, 1, 1, 0, stream, device, 2);
    OK(cudaMemcpyAsync(pinned + 1, device, sizeof *pinned, cudaMemcpyDeviceToHost, stream));
    OK(cudaEventRecord(second, stream));
    assert_int_equal(cudaEventQuery(first), cudaErrorNotReady);
    OK(cudaEventQuery(first));
    assert_int_equal(pinned[0], 1);
    assert_int_equal(pinned[1], -1); /* what is behind the event is not done */
    OK(cudaEventSynchronize(second));
    assert_int_equal(pinned[1], 2);
    LAUNCH(set, 1, 1, 0, stream, device, 3);
    OK(cudaEventRecord(first, stream));
    OK(cudaStreamWaitEvent(other, first));
    OK(cudaMemcpyAsync(pinned, device, sizeof *pinned, cudaMemcpyDeviceToHost, other));
    OK(cudaStreamSynchronize(other));
    assert_int_equal(pinned[0], 3);
    assert_int_equal(cudaGetLastError(), cudaErrorNotReady); /* kept as an error would be, until somebody asks */
    OK(cudaGetLastError());
    OK(cudaEventDestroy(first));
    OK(cudaEventDestroy(second));
    OK(cudaStreamDestroy(stream));
    OK(cudaStreamDestroy(other));
    OK(cudaFreeHost(pinned));
    OK(cudaFree(device));
}

static void the_default_stream_does_not_wait_for_non_blocking_ones(void **)
{
    int *device = device_ints(1), got = 0;
    cudaStream_t apart, blocking;
    OK(cudaStreamCreateWithFlags(&apart, cudaStreamNonBlocking));
    OK(cudaStreamCreate(&blocking));
    LAUNCH(set, 1, 1, 0, apart, device, 4);
    OK(cudaMemcpy(&got, device, sizeof got, cudaMemcpyDeviceToHost));
    assert_int_equal(got, -1);
    LAUNCH(set, 1, 1, 0, blocking, device, 5);
    OK(cudaMemcpy(&got, device, sizeof got, cudaMemcpyDeviceToHost));
    assert_int_equal(got, 5);
    OK(cudaStreamDestroy(apart));
    OK(cudaStreamDestroy(blocking));
    OK(cudaFree(device));
}

/* ---- Graphs ---- */

static void a_graph_repeats_what_was_recorded(void **)
{
    int *device = device_ints(2), value = 10;
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    OK(cudaMemsetAsync(device, 0, sizeof *device, stream));
    LAUNCH(set, 1, 1, 0, stream, device + 1, value);
    LAUNCH(add, 1, 1, 0, stream, device, device + 1);
    LAUNCH(add, 1, 1, 0, stream, device, device + 1);
    OK(cudaMemcpyAsync(device + 1, device, sizeof *device, cudaMemcpyDeviceToDevice, stream));
    value = 99; /* arguments are those of the recording */
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaStreamSynchronize(stream));
    assert_int_equal(fetch_int(device), -1); /* nothing was done */
    OK(cudaGraphInstantiate(&executable, graph, 0));
    OK(cudaGraphDestroy(graph));
    for (int i = 0; i < 2; i++) {
        OK(cudaGraphLaunch(executable, stream));
        OK(cudaStreamSynchronize(stream));
        assert_int_equal(fetch_int(device), 20);
        assert_int_equal(fetch_int(device + 1), 20);
        OK(cudaMemset(device, 1, 2 * sizeof *device));
    }
    OK(cudaGraphLaunch(executable, stream));
    OK(cudaGraphExecDestroy(executable)); /* what was queued of it still runs */
    OK(cudaStreamDestroy(stream));
    assert_int_equal(fetch_int(device), 20);
    OK(cudaFree(device));
}

static void nothing_waits_or_allocates_in_a_recording(void **)
{
    int *device = device_ints(1), host = 0;
    cudaStream_t stream;
    cudaEvent_t event;
    cudaGraph_t graph;
    void *memory;
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaEventCreate(&event));
    for (int i = 0; i < 7; i++) {
        cudaStreamCaptureStatus status;
        OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
        cudaError_t code = cudaSuccess;
        switch (i) {
        case 0:
            code = cudaMalloc(&memory, 4);
            break;
        case 1:
            code = cudaFree(device);
            break;
        case 2:
            code = cudaMallocHost(&memory, 4);
            break;
        case 3:
            code = cudaStreamSynchronize(stream);
            break;
        case 4:
            code = cudaMemcpy(&host, device, 4, cudaMemcpyDeviceToHost);
            break;
        case 5:
            code = cudaDeviceSynchronize();
            break;
        case 6:
            code = cudaEventSynchronize(event);
            break;
        }
        assert_int_equal(code, cudaErrorStreamCaptureUnsupported);
        OK(cudaStreamIsCapturing(stream, &status));
        assert_int_equal(status, cudaStreamCaptureStatusInvalidated);
        assert_int_equal(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
        assert_null(graph);
        (void)cudaGetLastError();
    }
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    OK(cudaEventRecord(event, stream));
    assert_int_equal(cudaEventQuery(event), cudaErrorCapturedEvent);
    (void)cudaGetLastError();
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaGraphDestroy(graph));
    OK(cudaEventDestroy(event));
    OK(cudaStreamDestroy(stream));
    OK(cudaFree(device));
}

/* ---- The machine ---- */

static void other_machines_can_be_described(void **)
{
    struct emulation_machine other = emulation_usual_machine;
    cudaDeviceProp properties;
    void *memory;
    int count = -1;
    OK(cudaGetDeviceCount(&count));
    assert_int_equal(count, 1);
    assert_int_equal(cudaSetDevice(1), cudaErrorInvalidDevice);
    other.major = 7;
    other.minor = 5;
    emulation_set_machine(&other);
    OK(cudaGetLastError() == cudaErrorInvalidDevice ? cudaSuccess : cudaErrorUnknown);
    OK(cudaGetDeviceProperties(&properties, 0));
    assert_int_equal(properties.major * 10 + properties.minor, 75);
    other.devices = 0;
    emulation_set_machine(&other);
    assert_int_equal(cudaGetDeviceCount(&count), cudaErrorNoDevice);
    assert_int_equal(cudaMalloc(&memory, 1), cudaErrorNoDevice);
    other.driver = 11000;
    emulation_set_machine(&other);
    assert_int_equal(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    assert_int_equal(count, 0);
    (void)cudaGetLastError();
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(new_memory_is_nan_and_aligned, reset),
        cmocka_unit_test_teardown(what_touches_memory_wrongly_is_reported, reset),
        cmocka_unit_test_teardown(memory_ends, reset),
        cmocka_unit_test_teardown(copies_are_held_to_their_direction_and_size, reset),
        cmocka_unit_test_teardown(launches_are_held_to_the_limits, reset),
        cmocka_unit_test_teardown(work_is_done_when_it_is_waited_for, reset),
        cmocka_unit_test_teardown(events_are_reached_by_asking_twice_or_by_waiting, reset),
        cmocka_unit_test_teardown(the_default_stream_does_not_wait_for_non_blocking_ones, reset),
        cmocka_unit_test_teardown(a_graph_repeats_what_was_recorded, reset),
        cmocka_unit_test_teardown(nothing_waits_or_allocates_in_a_recording, reset),
        cmocka_unit_test_teardown(other_machines_can_be_described, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
