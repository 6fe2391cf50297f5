// SPDX-License-Identifier: Apache-2.0
// Makes dictionaries of what small samples of a kind have in common: alone, a text of a few hundred bytes has too
// little to refer to.
#pragma once

#include <atomic>

#include "format/result.h"
#include "format/worker_pool.h"
#include "format/write/compression.h"
#include "format/write/encoder_dictionaries.h"
#include "format/write/frame_compressor.h"

namespace quire {

// Adds to `dictionaries` one for each kind of sample that gains by it, as far as some of its samples tell: a part of
// them trains it, and the others are compressed with it and without. Samples that cannot be read are passed over. The
// same samples in the same order give the same dictionaries, by the same release of zstd. Where samples are compressed
// together there are none. Errors: kInterrupted, and
// those that end the work. Memory: 32 MiB a thread.
Result<void> TrainDictionaries(const SamplesToCompress& samples, const Compression& compression, WorkerPool& pool,
                               const std::atomic<bool>* interrupted, EncoderDictionaries& dictionaries);

}  // namespace quire
