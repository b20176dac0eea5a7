/** `epione testnet report` */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Context } from '../context.ts'
import { writeSharedFile } from '../private-file.ts'

export async function testnetReport(context: Context, options: { dir: string; out?: string }): Promise<void> {
  const [{ collectReport }, { reportPage }] = await Promise.all([
    import('../../testnet/report/collect.ts'),
    import('../../testnet/report/page.ts'),
  ])
  const dir = resolve(options.dir)
  const report = collectReport(dir)
  const out = options.out === undefined ? join(dir, 'report') : resolve(options.out)
  await mkdir(out, { recursive: true })
  const files = [join(out, 'report.html'), join(out, 'report.json')] as const
  await writeSharedFile(files[0], reportPage(report))
  await writeSharedFile(files[1], `${JSON.stringify(report, null, 2)}\n`)
  context.output.result({ ...report, files }, () => [...files])
}
