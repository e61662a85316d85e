/* See packing.h. */
#include "tests/fetch/packing.h"

#include <archive.h>
#include <archive_entry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORD = 512, ROOM_BESIDE = 1 << 20 };

static size_t padded(size_t size)
{
    return (size + RECORD - 1) / RECORD * RECORD;
}

/* A header of POSIX.1-1988 (ustar). */
static void write_header(char *header, const struct packed *entry)
{
    unsigned sum = 0;
    snprintf(header, 100, "%s", entry->path);
    memcpy(header + 100, "0000644\0", 8);
    memcpy(header + 108, "0000000\0", 8);
    memcpy(header + 116, "0000000\0", 8);
    if (entry->told)
        snprintf(header + 124, 12, "%s", entry->told);
    else
        snprintf(header + 124, 12, "%011zo", entry->size);
    memcpy(header + 136, "00000000000\0", 12);
    memset(header + 148, ' ', 8);
    header[156] = entry->type ? entry->type : '0';
    if (entry->link)
        snprintf(header + 157, 100, "%s", entry->link);
    memcpy(header + 257, "ustar\00000", 8);
    for (int i = 0; i < RECORD; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
}

char *pack_tar(const struct packed *entries, int count, size_t *size)
{
    *size = 2 * RECORD;
    for (int i = 0; i < count; i++)
        *size += RECORD + padded(entries[i].size);
    char *tar = calloc(1, *size), *at = tar;
    assert_non_null(tar);
    for (int i = 0; i < count; i++) {
        write_header(at, &entries[i]);
        at += RECORD;
        if (entries[i].bytes)
            memcpy(at, entries[i].bytes, entries[i].size);
        at += padded(entries[i].size);
    }
    return tar;
}

char *pack_filter(const char *filter, const char *bytes, size_t count, size_t *size)
{
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    const size_t room = count + count / 8 + ROOM_BESIDE;
    char *out = malloc(room);
    assert_true(archive && entry && out);
    assert_int_equal(archive_write_set_format_raw(archive), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_by_name(archive, filter), ARCHIVE_OK);
    (void)archive_write_set_filter_option(archive, NULL, "compression-level", "1");
    assert_int_equal(archive_write_open_memory(archive, out, room, size), ARCHIVE_OK);
    archive_entry_set_pathname(entry, "raw");
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(archive, bytes, count), (ssize_t)count);
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(archive);
    return out;
}

char *pack_tar_gz(const struct packed *entries, int count, size_t *size)
{
    size_t plain;
    char *tar = pack_tar(entries, count, &plain), *packed = pack_filter("gzip", tar, plain, size);
    free(tar);
    return packed;
}

char *pack_zip(const struct packed *entries, int count, size_t *size)
{
    struct archive *archive = archive_write_new();
    size_t room = ROOM_BESIDE;
    for (int i = 0; i < count; i++)
        room += entries[i].size;
    char *out = malloc(room);
    assert_true(archive && out);
    assert_int_equal(archive_write_set_format_zip(archive), ARCHIVE_OK);
    assert_int_equal(archive_write_open_memory(archive, out, room, size), ARCHIVE_OK);
    for (int i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, entries[i].path);
        archive_entry_set_filetype(entry, AE_IFREG);
        if (!entries[i].told)
            archive_entry_set_size(entry, (la_int64_t)entries[i].size);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        assert_int_equal(archive_write_data(archive, entries[i].bytes, entries[i].size), (ssize_t)entries[i].size);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
    return out;
}
