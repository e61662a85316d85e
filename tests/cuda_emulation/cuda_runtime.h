/* The CUDA runtime and what the compiler knows of the device, as far as nfbench uses them, on the CPU; see emulation.h.
 * Names and values are CUDA's. */
#ifndef NFBENCH_TESTS_CUDA_EMULATION_CUDA_RUNTIME_H
#define NFBENCH_TESTS_CUDA_EMULATION_CUDA_RUNTIME_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tuple>
#include <type_traits>

#define CUDART_VERSION 13000

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

/* ---- Vector types ---- */

#define EMULATION_VECTORS(type, name, align1, align2, align4)                                                          \
    struct __align__(align1) name##1                                                                                   \
    {                                                                                                                  \
        type x;                                                                                                        \
    };                                                                                                                 \
    struct __align__(align2) name##2                                                                                   \
    {                                                                                                                  \
        type x, y;                                                                                                     \
    };                                                                                                                 \
    struct name##3                                                                                                     \
    {                                                                                                                  \
        type x, y, z;                                                                                                  \
    };                                                                                                                 \
    struct __align__(align4) name##4                                                                                   \
    {                                                                                                                  \
        type x, y, z, w;                                                                                               \
    };                                                                                                                 \
    static inline name##1 make_##name##1(type x)                                                                       \
    {                                                                                                                  \
        return {x};                                                                                                    \
    }                                                                                                                  \
    static inline name##2 make_##name##2(type x, type y)                                                               \
    {                                                                                                                  \
        return {x, y};                                                                                                 \
    }                                                                                                                  \
    static inline name##3 make_##name##3(type x, type y, type z)                                                       \
    {                                                                                                                  \
        return {x, y, z};                                                                                              \
    }                                                                                                                  \
    static inline name##4 make_##name##4(type x, type y, type z, type w)                                               \
    {                                                                                                                  \
        return {x, y, z, w};                                                                                           \
    }

EMULATION_VECTORS(signed char, char, 1, 2, 4)
EMULATION_VECTORS(unsigned char, uchar, 1, 2, 4)
EMULATION_VECTORS(short, short, 2, 4, 8)
EMULATION_VECTORS(unsigned short, ushort, 2, 4, 8)
EMULATION_VECTORS(int, int, 4, 8, 16)
EMULATION_VECTORS(unsigned, uint, 4, 8, 16)
EMULATION_VECTORS(long long, longlong, 8, 16, 16)
EMULATION_VECTORS(unsigned long long, ulonglong, 8, 16, 16)
EMULATION_VECTORS(float, float, 4, 8, 16)
EMULATION_VECTORS(double, double, 8, 16, 16)

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z)
    {
    }
};

/* ---- What a kernel sees ---- */

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
static constexpr int warpSize = 32;

/* Every operation takes the place of its call along: it names it in reports, and barriers can be switched off by it. */
#define EMULATION_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

void __syncthreads(EMULATION_PLACE);
void __syncwarp(unsigned mask = 0xffffffffu, EMULATION_PLACE);

/* Gathers the lanes of `mask` that have not ended, then calls `combine` once: slots[lane] is what the lane gave, NULL
 * for the others. */
typedef void emulation_combine(void *const slots[32]);
void emulation_collective(const char *name, unsigned mask, const char *file, int line, emulation_combine *combine,
                          void *slot);
int emulation_lane();

template <typename T> struct emulation_shuffle {
    T value, result;
    int source;

    static void combine(void *const slots[32])
    {
        for (int lane = 0; lane < 32; lane++) {
            emulation_shuffle *own = (emulation_shuffle *)slots[lane];
            if (!own)
                continue;
            const emulation_shuffle *source = (const emulation_shuffle *)slots[own->source];
            if (source)
                own->result = source->value;
            else
                memset(&own->result, 0xFF, sizeof own->result); /* a lane that takes no part: undefined */
        }
    }
};

template <typename T> T emulation_shuffle_from(unsigned mask, T value, int source, const char *file, int line)
{
    static_assert(std::is_arithmetic<T>::value, "numbers only");
    emulation_shuffle<T> slot = {value, value, source};
    emulation_collective("__shfl_sync", mask, file, line, emulation_shuffle<T>::combine, &slot);
    return slot.result;
}

template <typename T> T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMULATION_PLACE)
{
    const int first = emulation_lane() & ~(width - 1);
    return emulation_shuffle_from(mask, value, first + (source & (width - 1)), file, line);
}

template <typename T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATION_PLACE)
{
    const int lane = emulation_lane(), from = lane - (int)delta;
    return emulation_shuffle_from(mask, value, from < (lane & ~(width - 1)) ? lane : from, file, line);
}

template <typename T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATION_PLACE)
{
    const int lane = emulation_lane(), from = lane + (int)delta;
    return emulation_shuffle_from(mask, value, from > (lane | (width - 1)) ? lane : from, file, line);
}

template <typename T> T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, EMULATION_PLACE)
{
    const int lane = emulation_lane(), from = lane ^ lanes;
    return emulation_shuffle_from(mask, value, from > (lane | (width - 1)) ? lane : from, file, line);
}

unsigned __ballot_sync(unsigned mask, int predicate, EMULATION_PLACE);

static inline int __any_sync(unsigned mask, int predicate, EMULATION_PLACE)
{
    return __ballot_sync(mask, predicate, file, line) != 0;
}

static inline int __all_sync(unsigned mask, int predicate, EMULATION_PLACE)
{
    return __ballot_sync(mask, !predicate, file, line) == 0;
}

template <typename T> T __ldg(const T *address)
{
    return *address;
}

template <typename To, typename From> To emulation_bits(From from)
{
    To to;
    static_assert(sizeof to == sizeof from, "same size");
    memcpy(&to, &from, sizeof to);
    return to;
}

static inline float __uint_as_float(unsigned x)
{
    return emulation_bits<float>(x);
}
static inline unsigned __float_as_uint(float x)
{
    return emulation_bits<unsigned>(x);
}
static inline float __int_as_float(int x)
{
    return emulation_bits<float>(x);
}
static inline int __float_as_int(float x)
{
    return emulation_bits<int>(x);
}
static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
static inline int __clz(int x)
{
    return x ? __builtin_clz((unsigned)x) : 32;
}
static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}
static inline unsigned __umulhi(unsigned a, unsigned b)
{
    return (unsigned)((uint64_t)a * b >> 32);
}
static inline void __threadfence()
{
}
static inline void __threadfence_block()
{
}

/* One thread runs at a time, so a plain addition is atomic. Not for floats: their sums would depend on the order. */
template <typename T> T atomicAdd(T *address, T value)
{
    static_assert(std::is_integral<T>::value, "sums of floats must go over a fixed tree");
    const T old = *address;
    *address = (T)(old + value);
    return old;
}
template <typename T> T atomicMax(T *address, T value)
{
    const T old = *address;
    *address = old < value ? value : old;
    return old;
}
template <typename T> T atomicMin(T *address, T value)
{
    const T old = *address;
    *address = value < old ? value : old;
    return old;
}
template <typename T> T atomicOr(T *address, T value)
{
    const T old = *address;
    *address = old | value;
    return old;
}
template <typename T> T atomicExch(T *address, T value)
{
    const T old = *address;
    *address = value;
    return old;
}

/* CUDA's min and max of mixed signedness and of floats, at global scope. */
static inline int min(int a, int b)
{
    return a < b ? a : b;
}
static inline unsigned min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}
static inline size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}
static inline float min(float a, float b)
{
    return fminf(a, b);
}
static inline int max(int a, int b)
{
    return a > b ? a : b;
}
static inline unsigned max(unsigned a, unsigned b)
{
    return a > b ? a : b;
}
static inline size_t max(size_t a, size_t b)
{
    return a > b ? a : b;
}
static inline float max(float a, float b)
{
    return fmaxf(a, b);
}

/* By macros: glibc has functions of some of these names, of its own and without a body. */
#define rsqrtf(x) (1.0f / sqrtf(x))
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __powf(x, y) powf(x, y)
static inline float __fdividef(float a, float b)
{
    return a / b;
}
static inline float __frcp_rn(float x)
{
    return 1.0f / x;
}
static inline float __saturatef(float x)
{
    return fminf(fmaxf(x, 0.0f), 1.0f);
}
static inline int __float2int_rn(float x)
{
    return (int)rintf(x);
}

/* ---- The runtime ---- */

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInitializationError = 3,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorDevicesUnavailable = 46,
    cudaErrorInvalidDeviceFunction = 98,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorNoKernelImageForDevice = 209,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorNotReady = 600,
    cudaErrorIllegalAddress = 700,
    cudaErrorLaunchOutOfResources = 701,
    cudaErrorLaunchFailure = 719,
    cudaErrorNotSupported = 801,
    cudaErrorSystemDriverMismatch = 803,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901,
    cudaErrorCapturedEvent = 907,
    cudaErrorUnknown = 999
};

typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;

cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
const char *cudaGetErrorName(cudaError_t code);
const char *cudaGetErrorString(cudaError_t code);

/* Devices */
struct cudaDeviceProp {
    char name[256];
    int major, minor;
    int multiProcessorCount;
    size_t totalGlobalMem;
    size_t sharedMemPerBlock, sharedMemPerBlockOptin, sharedMemPerMultiprocessor;
    int maxThreadsPerBlock, warpSize, l2CacheSize;
};
enum cudaDeviceAttr {
    cudaDevAttrMaxThreadsPerBlock = 1,
    cudaDevAttrMaxSharedMemoryPerBlock = 8,
    cudaDevAttrWarpSize = 10,
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrL2CacheSize = 38,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
    cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
};
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device);
cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device);
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaMemGetInfo(size_t *available, size_t *total);
cudaError_t cudaDeviceSynchronize();

enum cudaFuncAttribute {
    cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
    cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value);

/* Memory */
enum cudaMemcpyKind {
    cudaMemcpyHostToHost = 0,
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3,
    cudaMemcpyDefault = 4
};
cudaError_t cudaMalloc(void **out, size_t bytes);
cudaError_t cudaFree(void *pointer);
cudaError_t cudaMallocHost(void **out, size_t bytes);
cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *pointer);
cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream = 0);
cudaError_t cudaMemset(void *to, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream = 0);
template <typename T> cudaError_t cudaMalloc(T **out, size_t bytes)
{
    return cudaMalloc((void **)out, bytes);
}
template <typename T> cudaError_t cudaMallocHost(T **out, size_t bytes)
{
    return cudaMallocHost((void **)out, bytes);
}
template <typename T> cudaError_t cudaHostAlloc(T **out, size_t bytes, unsigned flags)
{
    return cudaHostAlloc((void **)out, bytes, flags);
}
enum { cudaHostAllocDefault = 0, cudaHostAllocPortable = 1, cudaHostAllocMapped = 2, cudaHostAllocWriteCombined = 4 };

/* Streams and events */
enum { cudaStreamDefault = 0, cudaStreamNonBlocking = 1 };
cudaError_t cudaStreamCreate(cudaStream_t *out);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);

enum { cudaEventDefault = 0, cudaEventBlockingSync = 1, cudaEventDisableTiming = 2 };
enum { cudaEventRecordDefault = 0, cudaEventRecordExternal = 1 };
cudaError_t cudaEventCreate(cudaEvent_t *out);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = 0);
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream = 0, unsigned flags = 0);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end);

/* Graphs */
enum cudaStreamCaptureMode {
    cudaStreamCaptureModeGlobal = 0,
    cudaStreamCaptureModeThreadLocal = 1,
    cudaStreamCaptureModeRelaxed = 2
};
enum cudaStreamCaptureStatus {
    cudaStreamCaptureStatusNone = 0,
    cudaStreamCaptureStatusActive = 1,
    cudaStreamCaptureStatusInvalidated = 2
};
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out);
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long flags = 0);
cudaError_t cudaGraphUpload(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);

/* ---- Launches ---- */

/* Something to run later, once or more often. */
struct emulation_call {
    void (*run)(const void *data);
    void (*destroy)(void *data);
    void *data;
};

void emulation_queue_kernel(const char *name, const char *file, int line, const void *kernel, dim3 grid, dim3 block,
                            size_t shared_bytes, cudaStream_t stream, struct emulation_call call);
/* Reports a pointer to memory that no kernel could reach. */
void emulation_check_argument(const char *kernel, const char *file, int line, const void *pointer);
/* The block's shared memory. */
void *emulation_shared_memory();

template <typename... Parameters> struct emulation_bound {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;

    static void run(const void *data)
    {
        const emulation_bound *bound = (const emulation_bound *)data;
        std::apply(bound->kernel, bound->arguments);
    }
    static void destroy(void *data)
    {
        delete (emulation_bound *)data;
    }
};

template <typename T> struct emulation_same {
    typedef T type;
};

/* The arguments are converted and copied here and now, as by a real launch. */
template <typename... Parameters>
void emulation_launch(const char *name, const char *file, int line, void (*kernel)(Parameters...), dim3 grid,
                      dim3 block, size_t shared_bytes, cudaStream_t stream,
                      typename emulation_same<Parameters>::type... arguments)
{
    [[maybe_unused]] auto check = [&](auto argument) {
        if constexpr (std::is_pointer<decltype(argument)>::value)
            emulation_check_argument(name, file, line, (const void *)argument);
        else
            (void)argument;
    };
    (check(arguments), ...);
    typedef emulation_bound<Parameters...> bound;
    emulation_queue_kernel(name, file, line, (const void *)kernel, grid, block, shared_bytes, stream,
                           {bound::run, bound::destroy, new bound{kernel, {arguments...}}});
}

#endif
