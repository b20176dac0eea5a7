/** `epione custodians` */
import { type CustodianInfo, readCustodians } from '../../src/client/custodians.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { asOfResult, printable } from '../format.ts'
import { connect } from '../network.ts'
import { homeChain } from '../node-home.ts'
import { table } from '../output.ts'

function describeStanding({ standing, since }: CustodianInfo): string {
  if (standing === 'absent') return `absent since block ${since}`
  if (standing === 'kept') return `silent since block ${since}, kept for want of others`
  return since === 0 ? 'present' : `present since block ${since}`
}

export async function custodiansList(context: Context): Promise<void> {
  await using peer = await connect(context, await homeChain(context))
  const { custodians, asOf } = await readCustodians(peer, { signal: context.signal })
  const result = {
    asOf: asOfResult(asOf),
    custodians: custodians.map(({ id, organisation: { name, jurisdiction, capacity }, standing, since, asked, missed }) => ({
      account: id,
      name,
      jurisdiction,
      capacity,
      standing,
      since,
      asked,
      missed,
    })),
  }
  context.output.result(result, () => {
    const rows = custodians.map(custodian => {
      const { id, organisation, asked, missed } = custodian
      const { name, jurisdiction, capacity } = organisation
      const account = toHex(id).slice(0, 16)
      return [printable(name), jurisdiction, account, String(capacity), String(asked), String(missed), describeStanding(custodian)]
    })
    return table([['custodian', '', 'account', 'capacity', 'asked', 'missed', 'standing'], ...rows])
  })
}
