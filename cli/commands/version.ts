/** `epione version` */
import type { Context } from '../context.ts'
import { table } from '../output.ts'
import { packageInfo } from '../package-info.ts'

export async function version(context: Context): Promise<void> {
  const { version: epione, dependencies } = packageInfo()
  const value = {
    epione,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    libp2p: dependencies.libp2p ?? '',
  }
  context.output.result(value, () => table(Object.entries(value)))
}
