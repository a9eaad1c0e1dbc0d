/* Atomic numbers and their exposition text. */
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mem.h"
#include "metrics.h"

struct metrics {
    const struct metric *table;
    size_t count;
    _Atomic int64_t values[]; /* one per row */
};

struct metrics *
metrics_new(const struct metric *table, size_t count)
{
    struct metrics *metrics = mem_alloc(sizeof *metrics + count * sizeof metrics->values[0]);
    metrics->table = table;
    metrics->count = count;
    return metrics;
}

void
metrics_destroy(struct metrics **metrics)
{
    free(*metrics);
    *metrics = NULL;
}

void
metrics_add(struct metrics *metrics, size_t row, int64_t amount)
{
    atomic_fetch_add_explicit(&metrics->values[row], amount, memory_order_relaxed);
}

void
metrics_set(struct metrics *metrics, size_t row, int64_t value)
{
    atomic_store_explicit(&metrics->values[row], value, memory_order_relaxed);
}

int64_t
metrics_get(const struct metrics *metrics, size_t row)
{
    return atomic_load_explicit(&metrics->values[row], memory_order_relaxed);
}

static long
count_descriptors(void)
{
    long count = -3; /* ".", ".." and the folder's own */
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static long
count_resident_bytes(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static void
render_process(FILE *page)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    fprintf(page,
            "# HELP process_cpu_seconds_total User and system CPU time.\n"
            "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.2f\n"
            "# HELP process_resident_memory_bytes Resident memory.\n"
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %ld\n"
            "# HELP process_open_fds Open file descriptors.\n"
            "# TYPE process_open_fds gauge\nprocess_open_fds %ld\n"
            "# HELP headcount_build_info The running version.\n"
            "# TYPE headcount_build_info gauge\nheadcount_build_info{version=\"%s\"} 1\n",
            seconds, count_resident_bytes(), count_descriptors(), HEADCOUNT_VERSION);
}

char *
metrics_render(const struct metrics *metrics)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *page = open_memstream(&text, &bytes);
    if (!page)
        return mem_text("");
    const char *last = "";
    for (size_t i = 0; i < metrics->count; i++) {
        const struct metric *row = &metrics->table[i];
        if (strcmp(last, row->name)) {
            fprintf(page, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                    row->type == METRIC_COUNTER ? "counter" : "gauge");
            last = row->name;
        }
        fprintf(page, "%s%s%s%s %lld\n", row->name, row->labels ? "{" : "",
                row->labels ? row->labels : "", row->labels ? "}" : "",
                (long long)metrics_get(metrics, i));
    }
    render_process(page);
    fclose(page);
    return text;
}
