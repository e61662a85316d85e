/* See data_layout.h. A layout is a row of the table. */
#include "engine/data_layout.h"

#include "engine/data_names.h"

static const struct data_layout layouts[] = {
    {"cifar10",
     "CIFAR-10",
     "cifar-10-batches-bin",
     "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
     170052171,
     "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
     "batches.meta.txt",
     cifar10_names,
     1,
     {10},
     6,
     {{"data_batch_1.bin", SPLIT_TRAIN, 10000},
      {"data_batch_2.bin", SPLIT_TRAIN, 10000},
      {"data_batch_3.bin", SPLIT_TRAIN, 10000},
      {"data_batch_4.bin", SPLIT_TRAIN, 10000},
      {"data_batch_5.bin", SPLIT_TRAIN, 10000},
      {"test_batch.bin", SPLIT_TEST, 10000}}},
    {"cifar100",
     "CIFAR-100",
     "cifar-100-binary",
     "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
     168513733,
     "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
     "fine_label_names.txt",
     cifar100_names,
     2,
     {20, 100},
     2,
     {{"train.bin", SPLIT_TRAIN, 50000}, {"test.bin", SPLIT_TEST, 10000}}},
};
enum { LAYOUTS = sizeof layouts / sizeof layouts[0] };

const struct data_layout *data_layout(int index)
{
    return index < LAYOUTS ? &layouts[index] : NULL;
}

size_t data_layout_record_size(const struct data_layout *layout)
{
    return (size_t)layout->label_bytes + IMAGE_BYTES;
}

size_t data_layout_file_size(const struct data_layout *layout, const struct layout_file *file)
{
    return (size_t)file->records * data_layout_record_size(layout);
}
