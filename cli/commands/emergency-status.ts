/** `epione emergency status` */
import { depositStatus } from '../../src/client/emergency-deposit.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printable } from '../format.ts'
import { table } from '../output.ts'
import { withOwnedFolder } from '../wallet-session.ts'

/** @returns exit code 5 where the folder could not be opened in an emergency as it is, or a share is missing */
export async function emergencyStatus(context: Context, options: { folder: string }): Promise<ExitCode> {
  const { signal, output } = context
  return await withOwnedFolder(context, options.folder, async ({ peer, wallet, owned }) => {
    const { deposit, isCurrent, places, needed } = await depositStatus(peer, wallet, owned, { signal })
    const held = places.filter(({ state }) => state === 'held').length
    const value = {
      folder: toHex(owned.id),
      deposit: deposit === null ? null : { epoch: deposit.epoch, height: deposit.height, current: isCurrent },
      held,
      needed,
      places: places.map(({ position, custodian, state }) => ({
        position,
        custodian: custodian === null ? null : { id: toHex(custodian.id), name: custodian.organisation.name },
        state,
      })),
    }
    const words = { held: 'holds its share', missing: 'has no share', 'no-answer': 'does not answer' }
    output.result(value, () =>
      table(places.map(({ custodian, state }) => [custodian === null ? '(vacant)' : printable(custodian.organisation.name), words[state]])),
    )
    if (deposit === null) output.warn('no key was left for emergencies; leave it with: epione emergency deposit')
    else if (!isCurrent) output.warn('the shares are of an older key: what came since cannot be opened; run: epione emergency deposit')
    else if (held < needed) output.warn(`only ${held} shares are here and ${needed} are needed; run: epione emergency deposit`)
    else if (held < places.length) output.note(`${places.length - held} shares are missing; mend it with: epione emergency deposit`)
    return deposit !== null && isCurrent && held === places.length ? EXIT.ok : EXIT.unhealthy
  })
}
