#!/bin/bash
# Can the gradient self-test fail? Plants one error at a time in a backward pass, builds captiond with it, and demands
# that `captiond selftest` ends with 1 and calls the gradient that is wrong FAILED. Prints TAP, as the other tests do.
#
#     plant FILE CHECK SENTENCE OLD NEW
#
# replaces OLD, which must stand in FILE exactly once, by NEW, compiles that file in double and links it in front of
# libcaption, whose own copy the linker then leaves out. CHECK is a gradient that must be found wrong. Needs CC, CFLAGS
# and LINK (objects and libraries) from the Makefile. TEST_JOBS errors are tried at once, in directories of their own.
set -u
cd "$(dirname "$0")/.." || exit 1

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
. tests/support/verdict.sh
. tests/support/replace.sh

# Builds $here/captiond with these sources in place of libcaption's own; prints what went wrong. The options behind
# CFLAGS: the build is to be quick, and what an error leaves unused is no matter.
# shellcheck disable=SC2086 # CFLAGS and LINK are lists of words
build() {
    local objects=() source
    for source in "$@"; do
        objects+=("$here/$(basename "$source" .c).o")
        $CC $CFLAGS -O1 -g0 -w -DREAL_IS_DOUBLE -c -o "${objects[-1]}" "$source" 2>&1 || return
    done
    $CC -o "$here/captiond" "${objects[@]}" $LINK 2>&1
}

# Runs that; prints how it differed from an end with status $1 in which check $2 (if any) has FAILED.
run() {
    local status
    "$here/captiond" selftest >"$here/report" 2>&1
    status=$?
    [ "$status" -eq "$1" ] || echo "exit status $status, not $1"
    [ -z "$2" ] || grep -q "^${2//./\\.} .* FAILED$" "$here/report" || echo "$2 has passed"
    [ "$status" -le 1 ] || tail -3 "$here/report"
}

# Prints why the error was not noticed.
try() { # file, check, old, new
    local reason here
    here=$(mktemp -d -p "$directory")
    if ! replace "$1" "$3" "$4" >"$here/$(basename "$1")"; then
        echo "this does not stand exactly once in $1: $3"
    else
        reason=$(build "$here/$(basename "$1")")
        [ -n "$reason" ] || reason=$(run 1 "$2")
        echo "$reason"
    fi
    rm -rf "$here"
}

planted=0 sentences=()
plant() { # file, check, sentence, old, new
    while [ "$(jobs -rp | wc -l)" -ge "${TEST_JOBS:-$(nproc)}" ]; do wait -n; done
    try "$1" "$2" "$4" "$5" >"$directory/reason.$planted" &
    sentences[planted]="$2 catches: $3"
    planted=$((planted + 1))
}

# Without an error, built in the same way, everything passes: so what fails below fails because of the error.
here=$directory/whole
mkdir "$here"
reason=$(build model/layers/*.c model/decoder/{decoder_loss,decoder_parameters,decoder_step,map_reader}.c model/encoder/encoder_gradient.c)
[ -n "$reason" ] || reason=$(run 0 "")
verdict "without an error the self-test passes" "$reason"

at=model/layers/affine.c
plant $at affine.dx "dx = dy W, not transposed" 'gemm_nt(rows, inputs, outputs, dy, w' 'gemm(rows, inputs, outputs, dy, w'
plant $at affine.dx "dx added to" 'dy, w, 0, dx' 'dy, w, 1, dx'
plant $at affine.dw "dW overwritten" 'x, dy, 1, dw' 'x, dy, 0, dw'
plant $at affine.dw "dW without the last row" 'gemm_tn(inputs, outputs, rows, x' 'gemm_tn(inputs, outputs, rows - 1, x'
plant $at affine.db "db subtracted" 'sum[j] += x' 'sum[j] -= x'
plant $at affine.db "db of the last row alone" 'sum[j] += x' 'sum[j] = x'

at=model/layers/attention.c
plant $at attention.dquery "softmax backwards without its sum" 'a[p] * (d[p] - sum)' 'a[p] * d[p]'
plant $at attention.dkeys "softmax backwards without the weights" 'a[p] * (d[p] - sum)' 'd[p] - sum'
plant $at attention.dquery "dquery without 1 / sqrt A" 'scale(s, dlooks);' ''
plant $at attention.dkeys "dkeys of the first row alone" 'positions, s->keys, rows, dlooks' \
    'positions, s->keys, 1, dlooks'
plant $at attention.dvalues "dvalues from keys' places" 'positions, s->values, rows, looks, dy' \
    'positions, s->values, rows, dlooks, dy'

at=model/decoder/map_reader.c
plant $at attention_captioner.dw_map "tanh' = 1 - y" 'view->tile[i] * view->tile[i]' 'view->tile[i]'
plant $at attention_captioner.db_map "the values' share of the tile is lost" \
    'dview->values, w->w_value, 1, dview->tile' 'dview->values, w->w_value, 0, dview->tile'
plant $at attention_captioner.dw_x "the query's share of the state is lost" 'scatter(r, s->hidden, r->seen, dz);' ''
plant $at attention_captioner.dw_query "the query learns from z in another order" 'gather(r, s->hidden, dz, r->seen);' \
    'memcpy(r->seen, dz, (size_t)r->rows * s->hidden * sizeof *dz);'
plant $at attention_captioner.dw_value "every image's gradient for the first" 'dv = view_of(s, dview, i);' \
    'dv = view_of(s, dview, 0);'

plant $at tagged_captioner.dw_embed "the concepts' vectors forget their words" \
    'dw_embed[word + j] += of->concepts[at] * dmap[j];' ';'
plant $at tagged_captioner.dw_embed "a concept's vector without its probability" \
    '+= of->concepts[at] * dmap[j]' '+= dmap[j]'
plant $at tagged_captioner.dconcepts "attended concepts forget their probability" \
    'dconcepts[at] += dmap[j] * w_embed[word + j];' ';'

at=model/decoder/evidence.c
plant $at told_captioner.devidence_scale "the scale learns from p instead of its logit" \
    'dw->scale[c] += de[at] * logit(p[at]);' 'dw->scale[c] += de[at] * p[at];'
plant $at told_captioner.devidence_offset "the offset learns from the last image alone" 'dw->offset[c] += de[at];' \
    'dw->offset[c] = de[at];'
plant $at told_captioner.dconcepts "logit' without 1 - p" '(p[at] * (1 - p[at]))' '(p[at])'
plant $at told_captioner.dw_gate "sigmoid' of the gate without 1 - g" 'dgate *= gate[r] * (1 - gate[r]);' \
    'dgate *= gate[r];'
plant $at told_captioner.db_gate "the gate learns from the probabilities" 'dgate += dscore * e[at + (size_t)c];' \
    'dgate += dscore;'
plant $at told_captioner.devidence_scale "evidence learns as if the gate were open" '+= dscore * gate[r];' '+= dscore;'
plant $at told_captioner.dw_x "the state's share of the gate is lost" 'add_scaled(s->hidden, dgate, w->w_gate, dz);' ''

at=model/layers/multilabel.c
plant $at multilabel.dx "sigmoid' without 1 - p" 'dp[i] *= p[i] * (1 - p[i])' 'dp[i] *= p[i]'
plant $at multilabel_loss.dw "the labels are forgotten" '(p[i] - y[i]) / (real)rows' 'p[i] / (real)rows'
plant $at multilabel_loss.db "not divided by N" '(p[i] - y[i]) / (real)rows' 'p[i] - y[i]'

at=model/layers/embedding.c
plant $at embedding.dw "a word used twice gets one gradient" 'row[j] += dy' 'row[j] = dy'
plant $at embedding.dw "every word the first one's gradient" 'dy[(size_t)r * width + j]' 'dy[j]'
plant $at embedding.dw "the word before gets the gradient" 'dtable + (size_t)ids[r]' 'dtable + (size_t)(ids[r] ? ids[r] - 1 : 0)'

at=model/layers/dropout.c
plant $at dropout.dx "another mask backwards" 'random_seeded(seed + (uint64_t)order[i])' 'random_seeded(seed + (x[0] > 0))'
plant $at dropout.dx "what is kept is not scaled by x" 'x[j] *= factor' 'x[j] = factor'

at=model/layers/softmax_loss.c
plant $at softmax_loss.dx "the target's sign" 'row[target] -= (1' 'row[target] += (1'
plant $at softmax_loss.dx "the target is forgotten" 'row[target] -= (1 - smoothing) * scale;' ''
plant $at softmax_loss.dx "not divided by N" 'smoothing, weight / n)' 'smoothing, weight)'
plant $at softmax_loss.dx "masked words have a gradient" 'memset(row, 0, classes * sizeof *row);' \
    'row_loss(classes, row, targets[r], smoothing, weight / n);'
plant $at softmax_loss.dx "masked words keep their scores" 'memset(row, 0, classes * sizeof *row);' ';'
plant $at weighted_softmax_loss.dx "weights are forgotten" 'smoothing, weight / n)' 'smoothing, (real)1 / n)'
plant $at smoothed_softmax_loss.dx "the even share is forgotten" '(row[v] - share) * scale' 'row[v] * scale'
plant $at smoothed_softmax_loss.dx "the target's whole share" '-= (1 - smoothing) * scale' '-= scale'

at=model/layers/recurrent.c
plant $at lstm.dwh "the states before a step are those of the step before that" \
    'states += (size_t)s->rows[i ? i - 1 : 0] * hidden;' 'states += (size_t)s->rows[i] * hidden;'
plant $at rnn_step.dwh "dWh overwritten" 'h_prev, da, 1, dw->wh' 'h_prev, da, 0, dw->wh'
plant $at lstm_step.dwh "dWh of the first row alone" 'outputs, rows, h_prev, da' 'outputs, 1, h_prev, da'
plant $at rnn.db "db is forgotten" 'dx, dw->wx, dw->b)' 'dx, dw->wx, NULL)'

at=model/layers/rnn.c
plant $at rnn_step.dx "tanh' = 1 + h^2" 'da[i] *= 1 - h' 'da[i] *= 1 + h'
plant $at rnn_step.db "tanh' = 1 - h" '1 - h_next[i] * h_next[i]' '1 - h_next[i]'
plant $at rnn_step.dh "dh = da Wh, not transposed" 'gemm_nt(n' 'gemm(n'
plant $at rnn_step.dh "dh added to" 'dh_next, 0, dh_prev' 'dh_next, 1, dh_prev'
plant $at rnn_step.dwh "dWh from the next state" 'n, x, h_prev, dh_next, dx' 'n, x, h_next, dh_next, dx'
plant $at rnn.dh0 "the recurrent term is dropped" '1, dh + next - s->rows[i ? i - 1 : 0] * hidden)' '1, NULL)'
plant $at rnn.dwx "the outer gradient of earlier states is lost" '1, dh + next - s' '0, dh + next - s'
plant $at rnn.dwh "dWh from the next states" 'X(recurrent_states_before)(s, w->hidden, h, before)' 'h + state'
plant $at rnn.db "only the first step's weights" '(w, 1, rows, x' '(w, 1, s->rows[0], x'

at=model/layers/lstm.c
plant $at lstm_step.db "input gate: sigmoid' without 1 - i" 'g[j] * i[j] * (1 - i[j])' 'g[j] * i[j]'
plant $at lstm_step.db "input gate times i instead of g" 'dc_j * g[j] * i[j]' 'dc_j * i[j] * i[j]'
plant $at lstm_step.db "forget gate: the next c" 'dc_j * c_prev[j] * f' 'dc_j * c_next[j] * f'
plant $at lstm_step.db "forget gate: sigmoid' without f" '* f[j] * (1 - f[j])' '* (1 - f[j])'
plant $at lstm_step.db "output gate: c without tanh" 'dh[j] * tanh_c * o' 'dh[j] * c_next[j] * o'
plant $at lstm_step.db "output gate: the sign" '(1 - o[j])' '(o[j] - 1)'
plant $at lstm_step.db "g: tanh' = 1 - g" '(1 - g[j] * g[j])' '(1 - g[j])'
plant $at lstm_step.db "g times f instead of i" 'dc_j * i[j] * (1 - g' 'dc_j * f[j] * (1 - g'
plant $at lstm_step.dwx "input and forget gate exchanged" '*da_i = da, *da_f = da + hidden' \
    '*da_f = da, *da_i = da + hidden'
plant $at lstm_step.dc "h's share of dc is forgotten" 'dc[j] + dh[j] * o[j] * (1 - tanh_c * tanh_c)' 'dc[j]'
plant $at lstm_step.dc "dc through the input gate" 'dc[j] = dc_j * f[j]' 'dc[j] = dc_j * i[j]'
plant $at lstm_step.dh "dh = da Wh, not transposed" 'gemm_nt(n' 'gemm(n'
plant $at lstm_step.dh "dh added to" 'dc, da, 0, dh_prev' 'dc, da, 1, dh_prev'
plant $at lstm.dc0 "c's recurrent term is dropped" 'dc[j] = dc_j * f[j]' 'dc[j] = 0'
plant $at lstm.dh0 "the outer gradient of earlier states is lost" '1,
                dh + previous' '0,
                dh + previous'
plant $at lstm.dwx "c of the step after" 'gates + LSTM_GATES * at, c + previous, c' \
    'gates + LSTM_GATES * at, c + next, c'
plant $at lstm.dwh "dWh from the next states" 'X(recurrent_states_before)(s, w->hidden, h, before)' 'h + state'

at=model/decoder/decoder_loss.c
plant $at rnn_captioner.dw_proj "h0 begins with what was there" 'memset(dh0, 0, state * sizeof *dh0);' ''
plant $at lstm_captioner.dw_x "c_T begins with what was there" \
    'memset(b[BUFFER_DC], 0, (size_t)s->packed.n * w->hidden * sizeof(real));' ''
plant $at rnn_captioner.dw_embed "the words' targets learn" \
    'X(embedding_backward)(p->rows, shape->words, p->inputs' 'X(embedding_backward)(p->rows, shape->words, p->targets'
plant $at lstm_captioner.dfeatures "the projection learns from h1" 'w->w_proj, b[BUFFER_START], di->features' \
    'w->w_proj, dout, di->features'
plant $at rewarded_captioner.dw_proj "the first caption alone teaches the projection" \
    'sum[i] += dh0[i]' 'sum[i] = dh0[i]'
plant $at attention_captioner.dmap "the map learns from z before dropout and looking" \
    'of, s, dout, di->map, dw' 'of, s, b[BUFFER_OUT], di->map, dw'
plant $at told_captioner.dw_concept "the concepts learn from h1" 'w->w_concept, b[BUFFER_START],' 'w->w_concept, dout,'
plant $at told_captioner.dconcepts "the concepts' gradient is never computed" 'di->concepts, dw->w_concept, NULL' \
    'NULL, dw->w_concept, NULL'
plant $at tagged_captioner.dw_tag "the concepts' reader learns from its own result" 's, dz, b[BUFFER_DTAG_MAP]' \
    's, b[BUFFER_OUT], b[BUFFER_DTAG_MAP]'
plant $at regularised_captioner.dw_x "no dropout backwards behind the cell" 'drop(batch, s, STREAM_H, hidden, dout);' ''
plant $at regularised_captioner.dw_embed "another word dropout backwards" \
    'drop(batch, s, STREAM_X, shape->words, b[BUFFER_DX]);' \
    'drop(batch, s, STREAM_H, shape->words, b[BUFFER_DX]);'
plant $at regularised_captioner.dw_vocab "the vocabulary learns from states before dropout" \
    'shape->vocabulary, b[BUFFER_OUT], w->w_vocab, b[BUFFER_SCORES]' \
    'shape->vocabulary, b[BUFFER_H] + state, w->w_vocab, b[BUFFER_SCORES]'

at=model/decoder/decoder_parameters.c
plant $at lstm_captioner.db_vocab "gradients are added to" 'memset(gradients, 0, total * sizeof *gradients);' ''

at=model/layers/squeeze_excite.c
plant $at squeeze_excite.dmean "the sigmoid's slope is forgotten" \
    'X(multiply)((size_t)w->channels, dgate, gate_slope);' ''
plant $at squeeze_excite.dmean "the swish's slope is forgotten" \
    'X(multiply)((size_t)w->reduced, reduced, reduce_slope);' ''
plant $at squeeze_excite.dmean "sigmoid' = g" 'gate[c] * (1 - gate[c])' 'gate[c]'

at=model/kernels/simd/activation.c
plant $at swish.dx "the slope is the swish" 'vec_store_part(slope + i, left, d);' 'vec_store_part(slope + i, left, y);'

at=model/kernels/simd/convolution_backward.c
plant $at depthwise.dx "every tap's phase is that of the column" '(size_t)(ky * kernel + kx) * r->channels, lanes)' \
    '(size_t)(kx * kernel + ky) * r->channels, lanes)'
plant $at depthwise.dx "rows ahead instead of behind" 'r->dsum - (size_t)(ky / stride)' 'r->dsum + (size_t)(ky / stride)'
plant $at depthwise.dx "columns of the other phase" 'phase_x = (left + x) % stride' 'phase_x = (left + x + 1) % stride'
plant $at mbconv_strided.dx "the slope of the expansion is forgotten" 'r->slope ? acc[p] * load(r->slope + at, lanes) : acc[p]' \
    'acc[p]'

at=model/layers/mbconv.c
plant $at mbconv_residual.dx "the residual has no gradient" 'din[i] += dout[i];' ';'
plant $at mbconv_5x5.dx "nothing through the mean" 's->term[c] /= (real)' 's->term[c] = 0 / (real)'
plant $at mbconv_5x5.dx "the mean's gradient is not shared out" 's->term[c] /= (real)(f->shape.rows * f->shape.cols);' ';'
plant $at mbconv_strided.dx "the gate of the gradient is forgotten" 'dproduct + (size_t)from * row, kept->gate, term' \
    'dproduct + (size_t)from * row, kept->gate_slope, term'
plant $at mbconv_5x5_strided.dx "the frame's left side is not cleared" 'memset(framed, 0, before * sizeof *framed);' ''
plant $at mbconv_unexpanded.dx "a row too low" 'const int at = f->top + y;' 'const int at = f->top + y + 1;'
plant $at mbconv_5x5.dx "the weights of the projection, not transposed" \
    'gemm_nt(positions, b->project.in, b->project.out, dout' 'gemm(positions, b->project.in, b->project.out, dout'

at=model/encoder/encoder_gradient.c
plant $at encoder.dimage "the mean over positions is forgotten" 'share = 1 / (real)positions' 'share = 2 / (real)positions'
plant $at encoder.dimage "the head's slope is forgotten" 'X(multiply)(positions * channels, g->dmap[0], g->head_slope);' ''
plant $at encoder.dimage "the stem's slope is forgotten" \
    'X(multiply)((size_t)f->shape.rows * row, g->dmap[0], g->stem_slope);' ''
plant $at encoder.dimage "a layer's seed replaces what came from above" 'g->dmap[0][i] += seed[i];' 'g->dmap[0][i] = seed[i];'
plant $at encoder.dimage "the features' own seed is forgotten" 'g->dfeatures[c] += seeds->features[c];' ';'
plant $at encoder.dimage "the stem's taps overwrite each other" 'to[c] += taps[c];' 'to[c] = taps[c];'

wait
for ((i = 0; i < planted; i++)); do verdict "${sentences[i]}" "$(cat "$directory/reason.$i")"; done
echo "1..$count"
[ "$failures" -eq 0 ]
