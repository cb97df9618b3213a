/* caption_file.h: captions in the forms that the field keeps them in, told apart by what they hold.
 *
 *     name<TAB>caption                         TSV (model/dataset.h)
 *     name#0<TAB>caption                       Flickr8k.token.txt, results_20130124.token
 *     name|0|caption, name,"caption", ...      CSV with or without a number and a line of titles
 *     {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}              COCO
 *     {"images": [{"filename", "filepath", "split", "sentences": [{"raw"}]}]}                  Karpathy's splits
 *     [{"image": "val2014/1.jpg", "caption": "..." or ["...", ...], "split"}]                  lists
 *
 * Whatever is wrong names the record. Files are whole in memory; JSON takes some ten times its size while it is read.
 */
#ifndef SERVER_CAPTION_FILE_H
#define SERVER_CAPTION_FILE_H

#include "model/dataset.h"

/* Of a file that divides its images: train and restval; val; test. Of others every part is all of it. */
typedef enum caption_part { CAPTION_PART_ALL, CAPTION_PART_TRAIN, CAPTION_PART_DEV, CAPTION_PART_TEST } caption_part;

/* As caption_dataset_open. *divided (may be NULL): the file divides its images. */
int caption_file_open(caption_dataset **out, const char *images, const char *path, caption_part part, int *divided,
                      caption_error *err);

/* What each epoch learns from and what scores it: the file `dev` in directory dev_images, else the part for that of a
 * file that is divided, else a share `fraction` of the images, or with 0 none (*dev NULL). *dev is to be freed first.
 */
int caption_file_open_both(caption_dataset **train, caption_dataset **dev, const char *images, const char *path,
                           const char *dev_images, const char *dev_path, double fraction, uint64_t seed,
                           caption_error *err);

#endif
