#!/bin/sh
# Milliseconds a caption takes the decoder alone, greedily and by a beam of 5, for each captioner that ships. CSV.
head=1
for model in attention lstm rnn; do
    "${BUILD:-build}/captiond" bench caption --model $model --seconds "${SECONDS_EACH:-2}" | tail -n +$head
    head=2
done
