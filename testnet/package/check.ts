/**
 * `npm run package`: the package as a stranger gets it. Builds it, packs it, installs the archive into an empty folder with the tools that its users
 * have, and imports, type checks, bundles and runs it there. What it needs comes from the npm registry.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const ROOT = join(import.meta.dirname, '..', '..')
/** Tools of a user, in exact versions. */
const TOOLS = ['typescript@6.0.3', 'vite@8.3.8', 'esbuild@0.28.2', 'publint@0.3.25', '@arethetypeswrong/cli@0.18.5', '@types/node@24.19.2']

const PAGE = `import { createLightPeer, useWorker } from 'epione/client'
useWorker(() => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }))
Object.assign(globalThis, { createLightPeer })
`
const CONSUMER = `
import { createLightPeer, type LightPeer, EpioneError, grantConsent, putRecords, type Session } from 'epione/client'
import { splitFhir } from 'epione/fhir'
import { initialState } from 'epione/consensus'

export async function head(nodes: string[], signal: AbortSignal): Promise<number> {
  await using peer: LightPeer = await createLightPeer({ nodes, signal })
  const { asOf } = await peer.head()
  return asOf.height
}
export type Mine = Session
export const all = [EpioneError, grantConsent, putRecords, splitFhir, initialState]
`

const RUNS = `
import { createLightPeer, EpioneError } from 'epione/client'
import { splitFhir } from 'epione/fhir'
import { initialState } from 'epione/consensus'
import { createTestNetwork } from 'epione/testing'
await using net = await createTestNetwork()
const peer = await net.connect()
const { asOf } = await peer.head()
if (asOf.height < 1 || (await peer.members()).length !== 4) throw new Error('no network')
if (typeof splitFhir !== 'function' || initialState.round !== -1 || typeof createLightPeer !== 'function' || !EpioneError) throw new Error('no exports')
console.log('ran: height ' + asOf.height + ' verified from genesis')
`

function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
  }
}

function compile(dir: string, name: string, options: Record<string, unknown>): void {
  const compilerOptions = {
    ...{ target: 'ES2024', lib: ['ES2024', 'ESNext.Disposable', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'] },
    ...{ strict: true, skipLibCheck: false, noEmit: true, types: ['node'], ...options },
  }
  writeFileSync(join(dir, `tsconfig.${name}.json`), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }))
  run('npx', ['--no-install', 'tsc', '-p', `tsconfig.${name}.json`], dir)
}

function main(): void {
  const dir = mkdtempSync(join(tmpdir(), 'epione-package-'))
  const say = (text: string): void => void process.stdout.write(`${text}\n`)
  try {
    run(process.execPath, [join(import.meta.dirname, 'build.ts')], ROOT)
    const archive = join(dir, run('npm', ['pack', '--silent', '--pack-destination', dir], join(ROOT, 'dist')).trim())
    say(`packed: ${statSync(archive).size} bytes`)
    const home = join(dir, 'home')
    mkdirSync(home)
    writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
    run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', archive, ...TOOLS], home)
    const listed = readdirSync(join(home, 'node_modules', 'epione'), { recursive: true, encoding: 'utf8' })
    const odd = listed.filter(
      path => /(?:^|\/)(?:testnet|test|faults)(?:\/|$)/.test(path) || (path.endsWith('.ts') && !path.endsWith('.d.ts')),
    )
    if (odd.length > 0) throw new Error(`the package holds what it should not: ${odd.slice(0, 5).join(', ')}`)

    writeFileSync(join(home, 'run.mjs'), RUNS)
    say(run(process.execPath, ['run.mjs'], home).trim())
    say(`command line: ${run('npx', ['--no-install', 'epione', '--version'], home).trim()}`)

    writeFileSync(join(home, 'consumer.ts'), CONSUMER)
    compile(home, 'nodenext', { module: 'NodeNext', moduleResolution: 'NodeNext' })
    compile(home, 'bundler', { module: 'ESNext', moduleResolution: 'Bundler' })
    say('types: clean with skipLibCheck false, nodenext and bundler')

    writeFileSync(join(home, 'page.js'), PAGE)
    writeFileSync(join(home, 'worker.js'), "import 'epione/client/worker'\n")
    writeFileSync(join(home, 'vite.config.js'), "export default { build: { target: 'es2024' }, worker: { format: 'es' } }\n")
    writeFileSync(
      join(home, 'index.html'),
      '<!doctype html><html lang="en"><title>page</title><script type="module" src="/page.js"></script></html>',
    )
    run(
      'npx',
      [
        '--no-install',
        'esbuild',
        'page.js',
        'worker.js',
        '--bundle',
        '--format=esm',
        '--minify',
        '--splitting',
        '--outdir=out-esbuild',
        '--log-level=error',
      ],
      home,
    )
    run('npx', ['--no-install', 'vite', 'build', '--outDir', 'out-vite', '--logLevel', 'error'], home)
    for (const out of [
      'out-esbuild/page.js',
      'out-esbuild/worker.js',
      ...readdirSync(join(home, 'out-vite', 'assets'))
        .filter(name => /^(index|worker)-.*js$/.test(name))
        .map(name => `out-vite/assets/${name}`),
    ]) {
      say(`${out}: ${gzipSync(readFileSync(join(home, out)), { level: 9 }).length} bytes after gzip`)
    }
    run('npx', ['--no-install', 'publint', 'node_modules/epione', '--level', 'warning'], home)
    run('npx', ['--no-install', 'attw', archive, '--profile', 'esm-only'], home)
    say('publint and attw: clean')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

main()
