/* `nfbench predict` as people use it: the same answers as `nfbench test` for the same images, with nothing but the
 * session, and results that other programs read. */
#include "tests/tui/predict_case.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

/* ---- Against `nfbench test` ---- */

static void same_as_test(const char *options)
{
    static float probabilities[IMAGES][CLASSES];
    uint32_t confusion[CLASSES][CLASSES] = {0};
    double loss = 0;
    json_t *tested = last_json(run_expecting(0, "test s --json %s", options));
    json_t *predicted = last_json(run_expecting(0, "predict s test.bin --json --npy p.npy %s", options));
    const json_t *classes = json_object_get(tested, "classes"), *matrix = json_object_get(tested, "confusion");
    read_npy("p.npy", IMAGES, probabilities[0]);
    assert_int_equal(json_number_at(predicted, "images"), IMAGES);
    assert_int_equal(json_number_at(predicted, "labelled"), IMAGES);
    assert_true(json_number_at(predicted, "correct") == json_number_at(tested, "correct"));
    assert_true(json_number_at(predicted, "accuracy") == json_number_at(tested, "accuracy"));
    for (int i = 0; i < IMAGES; i++) {
        const json_t *one = row(predicted, (size_t)i), *top = json_object_get(one, "top");
        const int label = records[i][0];
        int best = 0;
        double sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            best = probabilities[i][c] > probabilities[i][best] ? c : best;
            sum += (double)probabilities[i][c];
        }
        assert_true(fabs(sum - 1) < 1e-5);
        loss -= log((double)probabilities[i][label]);
        confusion[label][best]++;
        assert_string_equal(json_text_at(one, "file"), "test.bin");
        assert_int_equal(json_number_at(one, "record"), i);
        assert_string_equal(json_text_at(one, "label"), json_text_at(json_array_get(classes, (size_t)label), "name"));
        assert_string_equal(json_text_at(one, "class"), json_text_at(json_array_get(classes, (size_t)best), "name"));
        assert_true(fabs(json_number_at(one, "confidence") - (double)probabilities[i][best]) < 1e-7);
        assert_int_equal(json_array_size(top), 3);
        for (size_t k = 1; k < 3; k++)
            assert_true(json_number_at(json_array_get(top, k), "confidence") <=
                        json_number_at(json_array_get(top, k - 1), "confidence"));
    }
    for (int t = 0; t < CLASSES; t++)
        for (int c = 0; c < CLASSES; c++)
            assert_int_equal(confusion[t][c],
                             json_integer_value(json_array_get(json_array_get(matrix, (size_t)t), (size_t)c)));
    assert_true(fabs(loss / IMAGES - json_number_at(tested, "loss")) < 1e-5);
    json_decref(tested);
    json_decref(predicted);
}

static void it_says_what_test_says(void **state)
{
    (void)state;
    same_as_test("");
    same_as_test("--tta flip");
    same_as_test("--weights raw");
    same_as_test("--batch 7 --checkpoint best");
}

static void hide_data(void)
{
    assert_int_equal(rename(process_path("data"), process_path("hidden")), 0);
}

static void show_data(void)
{
    assert_int_equal(rename(process_path("hidden"), process_path("data")), 0);
}

static void no_data_set_is_needed(void **state)
{
    (void)state;
    static float there[IMAGES * CLASSES], hidden[IMAGES * CLASSES], named[IMAGES * CLASSES];
    run_expecting(0, "predict s test.bin --npy p.npy");
    read_npy("p.npy", IMAGES, there);
    run_expecting(0, "predict s test.bin --npy p.npy --data data");
    read_npy("p.npy", IMAGES, named);
    hide_data();
    run_expecting(0, "predict s test.bin --npy p.npy");
    read_npy("p.npy", IMAGES, hidden);
    show_data();
    assert_memory_equal(there, hidden, sizeof there);
    assert_memory_equal(there, named, sizeof there);
}

/* Sessions that know nothing of their input are helped by their data set, wherever it is now. */
static void an_old_session_asks_its_data_set(void **state)
{
    (void)state;
    static float there[IMAGES * CLASSES], asked[IMAGES * CLASSES];
    run_expecting(0, "predict s test.bin --npy p.npy");
    read_npy("p.npy", IMAGES, there);
    assert_int_equal(rename(process_path("nfbench/s/input.json"), process_path("input.json")), 0);
    for (int damaged = 0; damaged < 2; damaged++) {
        if (damaged)
            write_file("nfbench/s/input.json", "{\"data\":\"CIFAR-10\"}\n", 20);
        run_expecting(0, "predict s test.bin --npy p.npy");
        read_npy("p.npy", IMAGES, asked);
        assert_memory_equal(there, asked, sizeof there);
        hide_data();
        const struct outcome *outcome = run_expecting(1, "predict s test.bin");
        assert_non_null(strstr(outcome->err, "--data DIR names the data set"));
        assert_non_null(strstr(outcome->err, damaged ? "input.json is damaged" : "no record of how"));
        run_expecting(0, "predict s test.bin --npy p.npy --data hidden");
        read_npy("p.npy", IMAGES, asked);
        show_data();
        assert_memory_equal(there, asked, sizeof there);
    }
    assert_int_equal(rename(process_path("input.json"), process_path("nfbench/s/input.json")), 0);
}

/* ---- Results ---- */

/* On a terminal of 80 columns long paths give way, at their beginning. */
static void rows_fit_the_terminal(void **state)
{
    (void)state;
    static const char folder[] = "a-folder-with-quite-a-long-name-as-photos-have", name[] = "and-a-long-file-name.bin";
    const struct winsize size = {.ws_row = 24, .ws_col = 80};
    char path[160], arguments[200], text[4096] = "";
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);
    assert_int_equal(mkdir(process_path(folder), 0755), 0);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    write_file(path, records, 11 * RECORD);
    snprintf(arguments, sizeof arguments, "predict s %s", path);
    const int slave = open(ptsname(master), O_RDWR | O_NOCTTY); /* keeps what was written when the program has ended */
    struct process process = process_start(arguments, ptsname(master));
    assert_int_equal(process_finish(&process)->status, 0);
    struct pollfd more = {.fd = master, .events = POLLIN}; /* it comes in pieces */
    for (size_t used = 0; poll(&more, 1, 0) > 0 && used < sizeof text - 1;) {
        const ssize_t count = read(master, text + used, sizeof text - 1 - used);
        assert_true(count > 0);
        used += (size_t)count;
    }
    close(slave);
    close(master);
    assert_null(strstr(text, folder));
    assert_non_null(strstr(text, "\n..-name.bin:10  "));
    assert_non_null(strstr(text, "automobile"));
    int lines = 0;
    for (char *rest = text, *line; (line = strtok_r(rest, "\r\n", &rest)); lines++)
        assert_in_range(strlen(line), 1, 80);
    assert_int_equal(lines, 1 + 1 + 11 + 1);
}

/* NumPy reads the file, and the table has the same numbers. */
static void numpy_reads_it(void **state)
{
    (void)state;
    static const char script[] = "import sys, csv\n"
                                 "try:\n"
                                 "    import numpy as np\n"
                                 "except ImportError:\n"
                                 "    sys.exit(77)\n"
                                 "p = np.load(sys.argv[1], allow_pickle=False)\n"
                                 "rows = list(csv.reader(open(sys.argv[2], newline='')))[1:]\n"
                                 "assert p.shape == (100, 10) and p.dtype == np.float32 and p.flags.c_contiguous\n"
                                 "assert np.array_equal(p, np.array([r[5:] for r in rows], dtype=np.float32))\n"
                                 "assert [int(r[1]) for r in rows] == list(range(100))\n";
    char command[2048];
    const char *python = getenv("PYTHON");
    const struct outcome *outcome = run_expecting(0, "predict s test.bin --npy p.npy --csv p.csv");
    assert_non_null(strstr(outcome->out, "written: p.csv\nwritten: p.npy\n"));
    assert_null(strstr(outcome->out, "test.bin:0"));
    assert_int_equal(access(process_path("p.npy.tmp"), F_OK), -1);
    write_file("check.py", script, strlen(script));
    snprintf(command, sizeof command, "%s '%s' '%s' '%s'", python ? python : "python3", process_path("check.py"),
             process_path("p.npy"), process_path("p.csv"));
    const int status = system(command);
    if (status == 77 << 8) {
        print_message("SKIPPED: no Python with NumPy here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

/* Where a name leads elsewhere, what it leads to is written, and the name stays what it is. */
static void links_and_pipes_stay(void **state)
{
    (void)state;
    float probabilities[CLASSES], piped[CLASSES + 32];
    struct stat status;
    char link[512];
    write_file("one.bin", records[0], RECORD);
    run_expecting(0, "predict s one.bin --npy plain.npy");
    read_npy("plain.npy", 1, probabilities);
    write_file("real.csv", "before", 6);
    assert_int_equal(symlink("real.csv", process_path("link.csv")), 0);
    assert_int_equal(mkfifo(process_path("pipe"), 0666), 0);
    const int reader = open(process_path("pipe"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    run_expecting(0, "predict s one.bin --csv link.csv --npy pipe");
    assert_int_equal(read(reader, piped, sizeof piped), 128 + sizeof probabilities);
    close(reader);
    assert_memory_equal(piped + 32, probabilities, sizeof probabilities);
    assert_int_equal(lstat(process_path("pipe"), &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
    assert_int_equal(readlink(process_path("link.csv"), link, sizeof link), strlen("real.csv"));
    assert_int_equal(lstat(process_path("real.csv"), &status), 0);
    assert_true(S_ISREG(status.st_mode) && status.st_size > 100);
    assert_int_equal(symlink("nowhere/x", process_path("lost.csv")), 0);
    assert_non_null(strstr(run_expecting(1, "predict s one.bin --csv lost.csv")->err, "cannot write lost.csv"));
    assert_non_null(strstr(run_expecting(1, "predict s one.bin --csv nfbench")->err, "Is a directory"));
}

static void mistakes_are_told_at_once(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *arguments, *text;
    } cases[] = {
        {2, "predict s", "needs SESSION FILE..."},
        {2, "predict s test.bin --npy -", "--npy -: it takes the name of a file"},
        {2, "predict s test.bin --json --csv -", "both go to standard output"},
        {2, "predict s test.bin --csv same --npy same", "--csv and --npy name the same file, same"},
        {2, "predict s test.bin --tta rotate", "--tta rotate: must be none or flip"},
        {2, "predict s test.bin --weights mean", "--weights mean: must be ema or raw"},
        {2, "predict s test.bin --batch 0", "--batch 0"},
        {2, "predict s test.bin --epochs 3", "--epochs means nothing to predict"},
        {1, "predict s test.bin --npy nowhere/p.npy", "nowhere/p.npy"},
        {1, "predict s test.bin --csv nowhere/p.csv", "nowhere/p.csv"},
        {1, "predict nobody test.bin", "nobody"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct outcome *outcome = run_expecting(cases[i].status, "%s", cases[i].arguments);
        if (!strstr(outcome->err, cases[i].text))
            fail_msg("%s: '%s' is not in: %s", cases[i].arguments, cases[i].text, outcome->err);
        assert_string_equal(outcome->out, "");
        assert_int_equal(count_lines(outcome->err), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_test_says),
        cmocka_unit_test(no_data_set_is_needed),
        cmocka_unit_test(an_old_session_asks_its_data_set),
        cmocka_unit_test(rows_fit_the_terminal),
        cmocka_unit_test(numpy_reads_it),
        cmocka_unit_test(links_and_pipes_stay),
        cmocka_unit_test(mistakes_are_told_at_once),
    };
    return cmocka_run_group_tests(tests, predict_set_up, process_teardown);
}
