/** `epione emergency cases` */
import { waitingCases } from '../../src/client/emergency.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { formatInstant } from '../format.ts'
import { table } from '../output.ts'
import { withPerson } from '../person-session.ts'

export async function emergencyCases(context: Context): Promise<void> {
  const { signal, output } = context
  await withPerson(context, async ({ peer, person }) => {
    const { reviewMs } = peer.parameters.emergency
    const cases = (await waitingCases(peer, person, { signal })).map(({ folder, entry, time, reader, role, purpose, reason }) => ({
      ...{ entry: toHex(entry), folder: toHex(folder), timeMs: time, dueMs: time + reviewMs, reader: toHex(reader), role, purpose, reason },
    }))
    output.result({ cases }, () =>
      cases.length === 0
        ? []
        : table([
            ['opened', 'review due', 'key', 'role', 'reason', 'entry'],
            ...cases.map(({ timeMs, dueMs, reader, role, reason, entry }) => [
              ...[formatInstant(timeMs), formatInstant(dueMs), reader.slice(0, 16), role, reason, entry],
            ]),
          ]),
    )
    if (cases.length === 0) output.note('no break-glass of your organisation waits for a review')
  })
}
