/** Health and metrics over HTTP: what is answered, to whom, and within which bounds. */
import { createServer, connect as dial, type Socket } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createOperationsApp, type Readiness } from '../../src/gateway/operations-app.ts'
import { type OperationsOptions, OperationsServer } from '../../src/gateway/operations-server.ts'
import { rejectsCode, throwsCode } from '../encoding/throws.ts'
import { readExposition, sampleOf } from './exposition.ts'
import { snapshotOf, statusOf } from './snapshot.ts'

const test = suite('health and metrics over HTTP')
const TOKEN = 'a-token-that-nobody-guesses'
const HERE = 'http://127.0.0.1:7790'

function appOf({ token = null as string | null, readiness = (): Readiness => ({ ready: true, reasons: [] }) } = {}) {
  const errors: object[] = []
  const quiet = (): void => undefined
  const logger = { debug: quiet, info: quiet, warn: quiet, error: (fields: object) => void errors.push(fields) }
  const metrics = { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: async () => 'epione_ready 1\n' }
  return { app: createOperationsApp({ token }, { readiness, metrics, logger }), errors, metrics }
}

async function problem(response: Response): Promise<[number, string]> {
  assert.match(response.headers.get('content-type') ?? '', 'application/problem+json')
  const { code, status, detail } = (await response.json()) as { code: string; status: number; detail: string }
  assert.is(status, response.status)
  assert.ok(detail.length > 10)
  return [status, code]
}

test('three paths answer to reads; all else is refused in one form', async () => {
  const { app } = appOf()
  const healthy = await app.request(`${HERE}/healthz`)
  assert.equal([healthy.status, await healthy.json()], [200, { status: 'ok' }])
  const ready = await app.request(`${HERE}/readyz`)
  assert.equal([ready.status, await ready.json()], [200, { ready: true, reasons: [] }])
  const metrics = await app.request(`${HERE}/metrics`)
  assert.equal([metrics.status, await metrics.text()], [200, 'epione_ready 1\n'])
  assert.match(metrics.headers.get('content-type') ?? '', 'text/plain; version=0.0.4')
  for (const { headers } of [healthy, ready, metrics]) {
    assert.equal([headers.get('cache-control'), headers.get('x-content-type-options')], ['no-store', 'nosniff'])
    assert.is(headers.get('access-control-allow-origin'), null)
  }
  assert.equal(await problem(await app.request(`${HERE}/`)), [404, 'not-found'])
  assert.equal(await problem(await app.request(`${HERE}/metrics`, { method: 'DELETE' })), [404, 'not-found'])
  const body = { method: 'POST', body: 'x', headers: { 'content-length': '1' } }
  assert.equal(await problem(await app.request(`${HERE}/metrics`, body)), [413, 'too-large'])
})

test('not ready is said with its reasons, though alive', async () => {
  const reasons = [{ code: 'read-only', message: 'The disk is full.' }]
  const { app } = appOf({ readiness: () => ({ ready: false, reasons }) })
  const ready = await app.request(`${HERE}/readyz`)
  assert.equal([ready.status, await ready.json()], [503, { ready: false, reasons }])
  assert.is((await app.request(`${HERE}/healthz`)).status, 200)
})

test('with a token, who does not bring it learns nothing but that the process is there', async () => {
  const { app } = appOf({ token: TOKEN })
  const ask = async (path: string, authorization?: string) =>
    await app.request(`http://node.example:7790${path}`, authorization === undefined ? {} : { headers: { authorization } })
  assert.is((await ask('/healthz')).status, 200)
  for (const path of ['/metrics', '/readyz']) {
    for (const wrong of [undefined, '', TOKEN, `Basic ${TOKEN}`, 'Bearer ', `Bearer ${TOKEN}x`, `Bearer ${'x'.repeat(600)}`]) {
      const refused = await ask(path, wrong)
      assert.is(refused.headers.get('www-authenticate'), 'Bearer')
      assert.equal(await problem(refused), [401, 'token-needed'], `${path} ${wrong}`)
    }
    assert.is((await ask(path, `Bearer ${TOKEN}`)).status, 200)
  }
})

test('without a token a name that a page in a browser has resolve to this machine is refused', async () => {
  const { app } = appOf()
  for (const host of ['127.0.0.1', 'localhost:7790', '[::1]:7790', '127.1.2.3'])
    assert.is((await app.request(`http://${host}/metrics`)).status, 200, host)
  for (const host of ['rebound.example', '10.0.0.1:7790', '[::2]', '127.0.0.1.example'])
    assert.equal(await problem(await app.request(`http://${host}/metrics`)), [421, 'wrong-host'], host)
})

test('what goes wrong inside is in the log, and not in the answer', async () => {
  const { app, errors, metrics } = appOf()
  metrics.text = async () => {
    throw new Error('/srv/epione/secret is closed')
  }
  const failed = await app.request(`${HERE}/metrics`)
  assert.not.match(await failed.clone().text(), 'secret')
  assert.equal(await problem(failed), [500, 'internal'])
  assert.equal(errors, [{ code: 'internal', path: '/metrics' }])
})

function serverOf(options: Partial<OperationsOptions> = {}, changes: Parameters<typeof statusOf>[0] = {}): OperationsServer {
  const quiet = (): void => undefined
  const { activity } = snapshotOf()
  return new OperationsServer(
    { host: '127.0.0.1', port: 0, token: null, version: '0.1.0', ...options },
    {
      node: { status: () => statusOf(changes), activity: () => activity },
      logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    },
  )
}

test('an address that others reach needs a token; a port that is taken is named', async () => {
  for (const host of ['0.0.0.0', '10.1.2.3', '::']) throwsCode(() => serverOf({ host }), 'config-invalid')
  const open = serverOf({ host: '0.0.0.0', token: TOKEN })
  await open.start()
  await open.stop()
  const taken = createServer()
  const port = await new Promise<number>(resolve => taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)))
  const second = serverOf({ port })
  assert.match((await rejectsCode(second.start(), 'port-in-use')).message, String(port))
  await second.stop()
  taken.close()
})

test('over a port: metrics of the node, why it is not ready, and that it stops', async () => {
  const finding = { code: 'read-only', severity: 'error' as const, message: 'No room.', action: '', forMs: null }
  const server = serverOf({}, { findings: [finding] })
  const url = await server.start()
  try {
    const read = readExposition(await (await fetch(`${url}/metrics`)).text())
    assert.equal([sampleOf(read, 'epione_height'), sampleOf(read, 'epione_ready')], [7, 0])
    assert.ok((sampleOf(read, 'epione_resident_bytes') ?? 0) > 1e6)
    const ready = await fetch(`${url}/readyz`)
    assert.equal([ready.status, await ready.json()], [503, { ready: false, reasons: [{ code: 'read-only', message: 'No room.' }] }])
    server.stopping()
    const last = (await (await fetch(`${url}/readyz`)).json()) as Readiness
    assert.equal([last.ready, last.reasons.map(({ code }) => code)], [false, ['stopping']])
    assert.is((await fetch(`${url}/metrics`)).status, 503)
    assert.is((await fetch(`${url}/healthz`)).status, 200)
  } finally {
    await server.stop()
  }
  await server.stop()
  await fetch(url).then(
    () => assert.unreachable('nobody listens any more'),
    () => undefined,
  )
})

/** Sends bytes on a connection of its own; gives what comes back until it is closed. */
async function raw(port: number, text: string): Promise<string> {
  const socket = dial(port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (piece: string) => {
    answer += piece
  })
  socket.write(text)
  await new Promise(resolve => socket.on('close', resolve).on('error', () => undefined))
  return answer
}

test('long headers, bodies, broken requests and many connections end in refusals', async () => {
  const server = serverOf()
  const url = await server.start()
  const port = Number(new URL(url).port)
  const sockets: Socket[] = []
  try {
    assert.match(await raw(port, `GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(9_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
    assert.match(await raw(port, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /)
    assert.match(await raw(port, 'POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\nxx'), /^HTTP\/1\.1 413 /)
    for (let i = 0; i < 40; i++) sockets.push(dial(port, '127.0.0.1').on('error', () => undefined))
    let closed = 0
    for (const socket of sockets) socket.on('close', () => closed++)
    while (closed < 8) await new Promise(resolve => setTimeout(resolve, 5))
    assert.ok(closed < sockets.length, 'those within the bound stay')
    for (const socket of sockets) socket.destroy()
    for (;;) {
      const response = await fetch(`${url}/healthz`).catch(() => undefined)
      if (response?.status === 200) break
    }
  } finally {
    for (const socket of sockets) socket.destroy()
    await server.stop()
  }
})

test.run()
