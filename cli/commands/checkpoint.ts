/** `epione checkpoint` */
import { writeFile } from 'node:fs/promises'
import { encodeCheckpoint, vouchedCheckpoint } from '../../src/client/checkpoint.ts'
import type { Context } from '../context.ts'
import { printable } from '../format.ts'
import { connect } from '../network.ts'
import { homeChain } from '../node-home.ts'

export async function checkpoint(context: Context, options: { height?: number; out?: string }): Promise<void> {
  await using peer = await connect(context, await homeChain(context))
  const found = await vouchedCheckpoint(peer, { signal: context.signal, height: options.height })
  const text = encodeCheckpoint(found)
  if (options.out !== undefined) await writeFile(options.out, `${text}\n`)
  const { chainId, height, headerHash, time, vouchers } = found
  const names = vouchers.map(({ organisation }) => organisation.name)
  context.output.result({ checkpoint: text, chainId, height, headerHash, time: new Date(time).toISOString(), vouchers: names }, () => [
    text,
    `height ${height}, ${new Date(time).toISOString()}; the nodes of ${names.map(printable).join(', ')} show the same header`,
  ])
}
