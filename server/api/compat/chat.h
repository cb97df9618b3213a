/* chat.h: what the protocols of conversations have in common (OpenAI's chat and responses, Ollama): the images of the
 * last message that has any, options that have a meaning here, and texts made of captions.
 *
 * A conversation sends its old images again, so only the last ones count. A captioner understands no words: texts are
 * not looked at. Members that have no meaning here are ignored, as clients send many; what would change the answer is
 * refused by name if it cannot be done. */
#ifndef SERVER_CHAT_H
#define SERVER_CHAT_H

#include "server/api/caption_call.h"
#include "server/api/compat/format.h"

/* ---- requests: 0, or 1 with *p set ------------------------------------------------------------------------------- */

/* The query and a body of JSON, for a form's `read`: c->own is `own` bytes of zeros. texts: the answer has room for
 * that many captions of an image and nothing more about them (caption_input_texts_alone); 0: for more. `example` is of
 * a body, for who sends none. */
int chat_read(caption_call *c, size_t own, int texts, const char *example,
              int (*read_object)(caption_call *c, const cJSON *object, problem *p), problem *p);

/* OpenAI's messages and input items: content is a string or an array of parts; parts of type image_url or input_image
 * have the image in image_url, a string or {"url": string}. */
int chat_read_messages(caption_input *input, const cJSON *messages, const char *called, problem *p);

/* An array of strings, each an image as base64. */
int chat_read_images(caption_input *input, const cJSON *images, problem *p);

int chat_read_model(caption_input *input, const cJSON *object, problem *p);

/* An answer cannot be longer than a captioner writes, so a larger limit is no limit. `limit` NULL: none is given. */
int chat_read_length(caption_input *input, const cJSON *limit, problem *p);

/* n different captions; unless the query says how to search, the n best of a beam. NULL: none is given. */
int chat_read_count(caption_input *input, const cJSON *n, problem *p);

/* Refuses what forces a call of a tool: "required", or a tool by its name. */
int chat_check_tools(const cJSON *object, problem *p);

/* Log-probabilities, if `wanted` or the query says so: refuses them together with a form that is not text, which
 * `called` asks for, and alternatives of each token (top_logprobs above 0). */
int chat_read_logprobs(caption_input *input, int wanted, const format *f, const char *called, const cJSON *object,
                       problem *p);

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* How many texts there are: the n that was asked for, or fewer where the vocabulary has no more. */
int chat_choices(const caption_call *c);

/* The k-th caption of the i-th image; the best where that image has fewer. */
const caption_result *chat_result(const caption_call *c, int i, int k);

/* The k-th text, a line for each image, in that form; malloc'd, NULL when out of memory. */
char *chat_text(const caption_call *c, int k, const format *f);

/* 1 if no caption of the k-th text was cut by the limit of words. */
int chat_is_finished(const caption_call *c, int k);

/* What is counted is what a captioner reads and writes: one vector of features an image, and words. */
int chat_words(const caption_call *c);

/* The next piece of a streamed text: a word with the blank before it, or a line's end and a word. Returns its length, 0
 * at the end. */
size_t chat_piece(const char *text);

/* The tokens of the k-th text, one for each piece: [{"token","logprob","bytes","top_logprobs"}]; of those all, or only
 * the one at `which` if that is not negative. NULL when out of memory. */
cJSON *chat_logprobs(const caption_call *c, int k, int which);

/* Writes an object between `before` and `after`, and deletes it; good: it is complete. 0 when out of memory. */
int chat_write(FILE *out, const char *before, cJSON *object, int good, const char *after);

/* Answers with what `write` writes; it returns 0 when out of memory. */
void chat_answer_stream(caption_call *c, const char *type, int (*write)(FILE *out, const caption_call *c));

#endif
