/**
 * `npm run pages -- [--out FOLDER]`: the patient's page as static files, the same bytes from the same sources on every machine, with the hashes by which anybody
 * can tell that a server gives out these.
 */
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'vite'

const ROOT = join(import.meta.dirname, '..', '..')
const PAGE = join(ROOT, 'docs', 'examples', 'patient-page')
const SUMS = 'SHA256SUMS'

/** Builds the page into a folder, whatever was there before, and adds the hashes. @returns the hash of `SHA256SUMS`, in hex */
export async function buildPage(out: string): Promise<string> {
  await build({
    root: PAGE,
    configFile: join(PAGE, 'vite.config.ts'),
    logLevel: 'error',
    build: { outDir: out, emptyOutDir: true },
  })
  const index = join(out, 'index.html')
  writeFileSync(index, withIntegrity(readFileSync(index, 'utf8'), out))
  const lines = filesOf(out).map(path => `${digest('sha256', readFileSync(join(out, path))).toString('hex')}  ${path}\n`)
  const sums = lines.join('')
  writeFileSync(join(out, SUMS), sums)
  return digest('sha256', Buffer.from(sums)).toString('hex')
}

/** Paths of all files below a folder, in order. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => statSync(join(folder, path)).isFile())
    .map(path => path.replaceAll('\\', '/'))
    .sort()
}

/** Subresource Integrity (W3C) for what the page itself names: its script and its style. */
function withIntegrity(html: string, out: string): string {
  return html.replace(/(src|href)="\.\/([^"]+\.(?:js|css))"/g, (whole, _, path: string) => {
    return `${whole} integrity="sha384-${digest('sha384', readFileSync(join(out, path))).toString('base64')}"`
  })
}

function digest(algorithm: 'sha256' | 'sha384', bytes: Uint8Array): Buffer {
  return createHash(algorithm).update(bytes).digest()
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, 'build', 'pages') } } })
  const scratch = mkdtempSync(join(tmpdir(), 'epione-pages-'))
  try {
    const [first, second] = [join(scratch, 'a'), join(scratch, 'some', 'where', 'else')]
    const hash = await buildPage(first)
    const directory = process.cwd()
    process.chdir(scratch)
    const again = await buildPage(second)
    process.chdir(directory)
    if (hash !== again) {
      process.stderr.write('two builds gave different bytes: nothing was written\n')
      return 1
    }
    const out = resolve(values.out)
    rmSync(out, { recursive: true, force: true })
    cpSync(first, out, { recursive: true })
    process.stdout.write(`${readFileSync(join(out, SUMS), 'utf8')}\n${hash}  ${SUMS}\nthe same twice; in ${out}\n`)
    return 0
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

if (import.meta.main) process.exitCode = await main()
