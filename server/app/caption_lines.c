/* caption_lines.c: see caption_lines.h. A line is put together in memory, so that it can be written whole. */
#include "server/app/caption_lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* By logprobs and concepts. */
static const char *const csv_heads[2][2] = {
    {"file,caption,error\n", "file,caption,concepts,error\n"},
    {"file,caption,logprob,words,error\n", "file,caption,logprob,words,concepts,error\n"}};

caption_lines_format caption_lines_parse(const char *choice)
{
    return strcmp(choice, "jsonl") == 0 ? CAPTION_LINES_JSONL
           : strcmp(choice, "csv") == 0 ? CAPTION_LINES_CSV
                                        : CAPTION_LINES_TSV;
}

/* ---- texts as each format has them ------------------------------------------------------------------------------- */

static void put_tsv(FILE *out, const char *text)
{
    static const char plain[] = "\\\t\n\r", escaped[] = "\\tnr";
    for (; *text; text++) {
        const char *special = strchr(plain, *text);
        if (special)
            putc('\\', out);
        putc(special ? escaped[special - plain] : *text, out);
    }
}

static void put_csv(FILE *out, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

/* Bytes of the UTF-8 character that begins there; 0: it is none. */
static int character_bytes(const unsigned char *text)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    const int n = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
    unsigned code = n == 1 ? text[0] : n ? text[0] & (0x7fu >> n) : 0;
    for (int i = 1; i < n; i++) {
        if (text[i] >> 6 != 2)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    return n > 1 && (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) ? 0 : n;
}

static void put_json(FILE *out, const char *text)
{
    putc('"', out);
    while (*text) {
        const unsigned char c = (unsigned char)*text;
        const int bytes = character_bytes((const unsigned char *)text);
        if (bytes == 0)
            fprintf(out, "\\udc%02x", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fprintf(out, "%s%.*s", c == '"' || c == '\\' ? "\\" : "", bytes, text);
        text += bytes ? bytes : 1;
    }
    putc('"', out);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* "a -0.7712 cat -1.2001 <END> -0.1" */
static void put_words(FILE *out, const caption_result *r)
{
    for (int t = 0; t < r->words + r->finished; t++)
        fprintf(out, "%s%s %.4f", t ? " " : "", r->tokens[t].word, (double)r->tokens[t].logprob);
}

/* "pizza 0.9312 plate 0.8100" */
static void put_concepts(FILE *out, const caption_result *r)
{
    for (int i = 0; i < r->n_concepts; i++)
        fprintf(out, "%s%s %.4f", i ? " " : "", r->concepts[i].word, (double)r->concepts[i].probability);
}

static void result_tsv(const caption_lines *lines, FILE *out, const char *name, const caption_result *r)
{
    put_tsv(out, name);
    fprintf(out, "\t%s", r->text);
    if (lines->logprobs) {
        fprintf(out, "\t%.4f\t", (double)r->logprob);
        put_words(out, r);
    }
    if (lines->concepts) {
        putc('\t', out);
        put_concepts(out, r);
    }
    putc('\n', out);
}

static void result_csv(const caption_lines *lines, FILE *out, const char *name, const caption_result *r)
{
    put_csv(out, name);
    putc(',', out);
    put_csv(out, r->text);
    if (lines->logprobs) {
        fprintf(out, ",%.4f,\"", (double)r->logprob);
        put_words(out, r); /* words hold no quotes */
        putc('"', out);
    }
    if (lines->concepts) {
        putc(',', out);
        put_concepts(out, r);
    }
    fputs(",\n", out);
}

static void members_of(const caption_lines *lines, FILE *out, const char *text_name, const caption_result *r)
{
    fprintf(out, "\"%s\": ", text_name);
    put_json(out, r->text);
    fprintf(out, ", \"confidence\": %.4f%s, \"logprob\": %.4f", (double)r->confidence,
            r->unsure ? ", \"unsure\": true" : "", (double)r->logprob);
    for (int i = 0; lines->concepts && i < r->n_concepts; i++) {
        fputs(i ? ", [" : ", \"concepts\": [[", out);
        put_json(out, r->concepts[i].word);
        fprintf(out, ", %.4f]%s", (double)r->concepts[i].probability, i + 1 == r->n_concepts ? "]" : "");
    }
    for (int t = 0; lines->logprobs && t < r->words + r->finished; t++) {
        fputs(t ? ", {\"word\": " : ", \"words\": [{\"word\": ", out);
        put_json(out, r->tokens[t].word);
        fprintf(out, ", \"logprob\": %.4f}%s", (double)r->tokens[t].logprob,
                t + 1 == r->words + r->finished ? "]" : "");
    }
}

static void result_jsonl(const caption_lines *lines, FILE *out, const char *name, int n, const caption_result *results)
{
    fputs("{\"file\": ", out);
    put_json(out, name);
    fputs(", ", out);
    members_of(lines, out, "caption", results);
    for (int k = 0; n > 1 && k < n && !isinf(results[k].logprob); k++) {
        fputs(k ? ", {" : ", \"captions\": [{", out);
        members_of(lines, out, "text", &results[k]);
        fputs(k + 1 < n && !isinf(results[k + 1].logprob) ? "}" : "}]", out);
    }
    fputs("}\n", out);
}

void caption_lines_head(const caption_lines *lines, FILE *out)
{
    if (lines->format == CAPTION_LINES_CSV)
        fputs(csv_heads[lines->logprobs][lines->concepts], out);
}

void caption_lines_result(const caption_lines *lines, FILE *out, const char *name, int n, const caption_result *results)
{
    if (lines->format == CAPTION_LINES_JSONL) {
        result_jsonl(lines, out, name, n, results);
        return;
    }
    for (int k = 0; k < n && (k == 0 || !isinf(results[k].logprob)); k++)
        (lines->format == CAPTION_LINES_CSV ? result_csv : result_tsv)(lines, out, name, &results[k]);
}

void caption_lines_error(const caption_lines *lines, FILE *out, const char *name, const char *message)
{
    switch (lines->format) {
    case CAPTION_LINES_TSV:
        put_tsv(out, name);
        fputs("\t\t", out);
        put_tsv(out, message);
        break;
    case CAPTION_LINES_CSV:
        put_csv(out, name);
        fprintf(out, ",,%s%s", lines->logprobs ? ",," : "", lines->concepts ? "," : "");
        put_csv(out, message);
        break;
    case CAPTION_LINES_JSONL:
        fputs("{\"file\": ", out);
        put_json(out, name);
        fputs(", \"error\": ", out);
        put_json(out, message);
        putc('}', out);
        break;
    }
    putc('\n', out);
}

/* ---- reading names back ------------------------------------------------------------------------------------------ */

static char *name_tsv(const char *line, const char *end, char *out)
{
    for (; line < end && *line != '\t'; line++) {
        if (*line == '\\' && line + 1 < end) {
            line++;
            *out++ = *line == 't' ? '\t' : *line == 'n' ? '\n' : *line == 'r' ? '\r' : *line;
        } else {
            *out++ = *line;
        }
    }
    return line < end ? out : NULL;
}

static char *name_csv(const char *line, const char *end, char *out)
{
    const int quoted = *line == '"';
    for (line += quoted; line < end && (quoted || *line != ','); line++) {
        if (quoted && *line == '"' && *++line != '"')
            break;
        *out++ = *line;
    }
    return line < end && *line == ',' ? out : NULL;
}

/* What follows \u. */
static char *name_unicode(const char *hex, char *out)
{
    unsigned code = 0;
    if (sscanf(hex, "%4x", &code) != 1)
        return NULL;
    *out = (char)(code & 0xff); /* a control character, or a byte that is no UTF-8 */
    return out + 1;
}

static char *name_jsonl(const char *line, const char *end, char *out)
{
    static const char begin[] = "{\"file\": \"";
    if ((size_t)(end - line) < sizeof begin || strncmp(line, begin, sizeof begin - 1) != 0)
        return NULL;
    for (line += sizeof begin - 1; out && line < end && *line != '"'; line++) {
        if (*line == '\\' && end - line > 6 && line[1] == 'u') {
            out = name_unicode(line + 2, out);
            line += 5;
        } else {
            line += *line == '\\';
            *out++ = *line;
        }
    }
    return line < end ? out : NULL;
}

/* In CSV a quoted line break does not end the line. */
const char *caption_lines_end(const caption_lines *lines, const char *text, size_t size)
{
    int quoted = 0;
    for (size_t i = 0; i < size; i++) {
        quoted ^= lines->format == CAPTION_LINES_CSV && text[i] == '"';
        if (text[i] == '\n' && !quoted)
            return text + i + 1;
    }
    return NULL;
}

static int is_head(const caption_lines *lines, const char *line, size_t size)
{
    int found = 0;
    for (int i = 0; i < 4; i++)
        found |= strlen(csv_heads[i / 2][i % 2]) == size && memcmp(line, csv_heads[i / 2][i % 2], size) == 0;
    return lines->format == CAPTION_LINES_CSV && found;
}

char *caption_lines_name(const caption_lines *lines, const char *line, const char *end)
{
    char *name = malloc((size_t)(end - line) + 1), *last = name;
    if (!name)
        return NULL;
    if (!is_head(lines, line, (size_t)(end - line)))
        last = lines->format == CAPTION_LINES_TSV   ? name_tsv(line, end, name)
               : lines->format == CAPTION_LINES_CSV ? name_csv(line, end, name)
                                                    : name_jsonl(line, end, name);
    if (last)
        *last = '\0';
    else
        free(name);
    return last ? name : NULL;
}
