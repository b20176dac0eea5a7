/**
 * The contract `repairs`: a custodian's order to be given back the fragments that it lost. Without one nobody helps. What the
 * ledger cannot see, whether placement gives the author this index, every helper checks before it answers.
 */
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { type ActionContext, type Contract, defineAction } from './action.ts'
import { ContractError, notFound } from './contract-error.ts'
import { repairsOrderedCodec } from './events.ts'
import { accountCodec, counterCodec, custodiansCodec, quotaCodec } from './members-formats.ts'
import { anchorCodec } from './records-formats.ts'
import { REPAIR_QUOTA, type RepairOrder, type RepairOrders, repairEntryCodec, repairOrdersCodec } from './repairs-formats.ts'
import { stateKey } from './state-keys.ts'

const HOUR_MS = 60 * 60 * 1000

function order(context: ActionContext, { orders }: RepairOrders): void {
  requireCustodian(context)
  draw(context, orders.length)
  for (const one of orders) record(context, one)
  context.emit('repairs.ordered', context.from, repairsOrderedCodec, { orders: orders.length })
}

function requireCustodian({ state, from }: ActionContext): void {
  const height = state.read(counterCodec, stateKey.custodiansHeight()) as number
  const custodians = state.read(custodiansCodec, stateKey.custodians(height)) ?? []
  if (!custodians.some(({ id }) => equalBytes(id, from.id))) {
    throw new ContractError('not-custodian', 'Only a custodian has fragments to repair.')
  }
}

function draw({ state, from, timeMs }: ActionContext, count: number): void {
  const hour = Math.floor(timeMs / HOUR_MS)
  const known = state.read(quotaCodec, stateKey.repairQuota(from.id))
  const used = (known?.hour === hour ? known.used : 0) + count
  if (used > REPAIR_QUOTA) throw new ContractError('over-repair-quota', `A custodian orders at most ${REPAIR_QUOTA} repairs an hour.`)
  state.write(quotaCodec, stateKey.repairQuota(from.id), { hour, used })
}

function record({ state, from, height }: ActionContext, { folder, submissionRoot, index, helpers, attempt }: RepairOrder): void {
  const anchor = state.read(anchorCodec, stateKey.submission(folder, submissionRoot))
  if (anchor === undefined) throw notFound()
  const indices = helpers.map(helper => helper.index)
  const isAscending = indices.every((helper, i) => i === 0 || helper > (indices[i - 1] as number))
  if (helpers.length !== anchor.k || !isAscending || [index, ...indices].some(value => value >= anchor.n) || indices.includes(index)) {
    throw new ContractError('bad-helpers', `A repair names ${anchor.k} helpers, ascending by their indices, none of them the lost one.`)
  }
  if (new Set([from.id, ...helpers.map(({ id }) => id)].map(toHex)).size !== helpers.length + 1) {
    throw new ContractError('bad-helpers', 'Helpers are distinct members, and none of them is the author.')
  }
  for (const { id } of helpers) {
    if (state.read(accountCodec, stateKey.account(id))?.status !== 'active') {
      throw new ContractError('bad-helpers', 'A helper is no active member.')
    }
  }
  const key = stateKey.repair(folder, submissionRoot, from.id)
  const last = state.read(repairEntryCodec, key)?.attempt ?? 0
  if (attempt !== last + 1) throw new ContractError('wrong-attempt', `The next attempt of this repair is ${last + 1}, not ${attempt}.`)
  state.write(repairEntryCodec, key, { index, helpers, attempt, height })
}

export const repairs: Contract = new Map([
  ['order', defineAction({ authors: ['account'], folderCharge: 'sponsor' }, repairOrdersCodec, order)],
])
