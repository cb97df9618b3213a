/* visual.h: what the views of visualize.h share. */
#ifndef CAPTION_VISUAL_H
#define CAPTION_VISUAL_H

#include "model/visualize.h"

#endif
