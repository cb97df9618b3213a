#!/bin/sh
# Captions a folder of photos on many machines: sbatch --array=0-7 docker/slurm/caption.sh PHOTOS OUT
# Each task takes its share and writes OUT/captions-TASK.jsonl. A task that was stopped goes on where it was when it is
# submitted again. Exit status 3 says that some photos failed; their lines say why.
#SBATCH --job-name=captiond
#SBATCH --cpus-per-task=8
#SBATCH --signal=TERM@60
set -eu
photos=$1 out=$2 task=${SLURM_ARRAY_TASK_ID:-0}
count=${SLURM_ARRAY_TASK_COUNT:-1} first=${SLURM_ARRAY_TASK_MIN:-0}
exec captiond caption --recursive --format jsonl --shard "$((task - first))/$count" \
    --resume "$out/captions-$task.jsonl" "$photos"
