import { EpioneError } from '../../encoding/errors.ts'
import { orAborted, startDeadline } from '../../network/deadline.ts'
import type { FrameChannel } from '../../network/frames.ts'

/** How long whoever opened a stream may take to say what it is for, in ms. */
const FIRST_FRAME_MS = 5_000

/**
 * The first frame of a stream. A peer that says nothing loses the stream soon: it must not hold one of few places in silence.
 * @throws EpioneError `timeout`, after which the stream is reset, or whatever ends the stream
 */
export async function firstFrame(channel: FrameChannel, frames: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  const deadline = startDeadline({ timeoutMs: FIRST_FRAME_MS })
  try {
    return await orAborted(frames.next(), deadline.signal)
  } catch (error) {
    // Reset, for the reading that was begun can be ended in no other way.
    if (deadline.signal.aborted) channel.abort(new EpioneError('timeout', 'The peer opened a stream and did not say what for.'))
    throw error
  } finally {
    deadline.clear()
  }
}
