/** What is done to links and nodes of a testnet: bytes that come late and in order, clocks and disks that are wrong. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Link } from '../../testnet/faults/link.ts'
import { NO_FAULTS, readNodeFaults, writeNodeFaults } from '../../testnet/faults/node-faults.ts'
import { FAIR, travelMs } from '../../testnet/faults/weather.ts'
import { waitFor } from '../../testnet/launcher/wait.ts'
import { seededRandom } from '../../testnet/population/random.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const test = suite('faults of a testnet')
const scratch = mkdtempSync(join(tmpdir(), 'epione-faults-'))
test.after(() => rmSync(scratch, { recursive: true, force: true }))

test('weather: a delay, up to so much more by chance, and what is lost comes when TCP sends it again', () => {
  const random = seededRandom(1)
  assert.is(travelMs(FAIR, random), 0)
  const spans = Array.from({ length: 1_000 }, () => travelMs({ delayMs: 40, jitterMs: 20, loss: 0.1 }, random))
  const [whole, late] = [spans.filter(ms => ms < 60), spans.filter(ms => ms >= 60)]
  assert.ok(whole.every(ms => ms >= 40) && late.every(ms => ms >= 240))
  assert.ok(late.length > 60 && late.length < 150, `${late.length} of 1000 were lost at 10 %`)
})

test('bytes through bad weather arrive whole, in order and in pieces, and the end after them', async () => {
  const sent = Buffer.alloc(3 << 20)
  for (let i = 0; i < sent.length; i += 4) sent.writeUInt32LE(i, i)
  const received: Buffer[] = []
  let isOver = false
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.on('data', bytes => received.push(bytes))
    socket.on('end', () => {
      isOver = true
      socket.end('heard')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const link = await Link.open((server.address() as { port: number }).port, { seed: 2 })
  link.setWeather({ delayMs: 5, jitterMs: 10, loss: 0.02 })
  const client = connect({ port: link.port, host: '127.0.0.1', allowHalfOpen: true })
  let answer = ''
  client.on('data', bytes => (answer += bytes))
  for (let at = 0; at < sent.length; at += 100_000) client.write(sent.subarray(at, at + 100_000))
  client.end()
  await waitFor(() => answer === 'heard', { what: 'the answer', everyMs: 5 })
  assert.ok(isOver && Buffer.concat(received).equals(sent))
  await waitFor(() => link.connections === 0, { what: 'the end of the connection', everyMs: 5 })
  await link.stop()
  server.close()
})

test('who sent and is gone is still heard', async () => {
  let heard = ''
  const server = createServer(socket => {
    socket.on('data', bytes => (heard += bytes))
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const link = await Link.open((server.address() as { port: number }).port)
  link.setWeather({ ...FAIR, delayMs: 50 })
  const client = connect(link.port, '127.0.0.1')
  client.end('last words')
  await once(client, 'close')
  await waitFor(() => heard === 'last words', { what: 'the last words', everyMs: 5 })
  await link.stop()
  server.close()
})

test("a node's faults are read from its file; what is no fault is passed over", () => {
  const path = join(scratch, 'faults.json')
  assert.equal(readNodeFaults(path), NO_FAULTS)
  writeNodeFaults(path, { clockMs: -5_000, diskFull: true, syncMs: 20, lie: null })
  assert.equal(readNodeFaults(path), { clockMs: -5_000, diskFull: true, syncMs: 20, lie: null })
  writeFileSync(path, '{"clockMs":"soon","diskFull":1,"syncMs":-3}')
  assert.equal(readNodeFaults(path), NO_FAULTS)
  writeFileSync(path, '{')
  assert.equal(readNodeFaults(path), NO_FAULTS)
  writeNodeFaults(path, NO_FAULTS)
  assert.equal(readNodeFaults(path), NO_FAULTS)
})

test('a process that was started with them has a wrong clock and a full disk, and a right one again', async () => {
  const path = join(scratch, 'node.json')
  writeNodeFaults(path, { clockMs: 90_000, diskFull: true, syncMs: 0, lie: null })
  const program = `
    import { fdatasync, openSync } from 'node:fs'
    import { statfs } from 'node:fs/promises'
    import { promisify } from 'node:util'
    const look = async () => {
      await promisify(fdatasync)(openSync('${path}.synced', 'w'))
      const [date, given] = [new Date(), new Date(5)]
      console.log(JSON.stringify({ now: Date.now(), date: date.getTime(), given: given.getTime(), isDate: date instanceof Date, free: (await statfs('/')).bavail }))
    }
    process.stdin.on('data', () => void look())
    await look()
  `
  const child = spawn(process.execPath, ['--import', join(ROOT, 'testnet', 'faults', 'inject.ts'), '--input-type=module', '-e', program], {
    env: { ...process.env, TESTNET_FAULTS: path },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: { now: number; date: number; given: number; isDate: boolean; free: number }[] = []
  child.stdout.on('data', text =>
    lines.push(
      ...String(text)
        .trim()
        .split('\n')
        .map(line => JSON.parse(line)),
    ),
  )
  await waitFor(() => lines.length > 0, { what: 'a look' })
  const [wrong] = lines
  assert.ok(Math.abs((wrong?.now ?? 0) - Date.now() - 90_000) < 30_000 && Math.abs((wrong?.date ?? 0) - (wrong?.now ?? 0)) < 10_000)
  assert.equal([wrong?.given, wrong?.isDate, wrong?.free], [5, true, 0])
  writeNodeFaults(path, NO_FAULTS)
  await waitFor(
    () => {
      child.stdin.write('x')
      const last = lines.at(-1)
      return last !== undefined && last.free > 0 && Math.abs(last.now - Date.now()) < 30_000
    },
    { what: 'a right clock and room on the disk' },
  )
  child.kill()
})

test.run()
