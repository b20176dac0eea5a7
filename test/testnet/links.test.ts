import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { errorCode } from '../../src/encoding/errors.ts'
import { Link } from '../../testnet/faults/link.ts'
import { Links } from '../../testnet/faults/links.ts'
import { openTestnet } from '../../testnet/launcher/testnet.ts'
import { waitFor } from '../../testnet/launcher/wait.ts'

const test = suite('testnet links')

interface Echo {
  server: Server
  port: number
  sockets: Socket[]
}

/** Gives back what comes in, and a name before it. */
async function echo(name = ''): Promise<Echo> {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', bytes => socket.write(name + bytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as { port: number }).port, sockets }
}

interface Client {
  socket: Socket
  /** All that came so far. */
  text(): string
}

async function dial(port: number): Promise<Client> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', bytes => (text += bytes))
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return { socket, text: () => text }
}

const closed = async ({ socket }: Client): Promise<void> => {
  await waitFor(() => socket.destroyed, { what: 'the end of a connection', everyMs: 5 })
}
const says = async (client: Client, text: string): Promise<void> => {
  await waitFor(() => client.text() === text, { what: `"${text}"`, everyMs: 5 })
}

test('an open link passes bytes and ends on, and listens below the ports of the system', async () => {
  const { server, port } = await echo()
  const link = await Link.open(port)
  assert.ok(link.port > 1024 && link.port < 32_768, String(link.port))
  const client = await dial(link.port)
  client.socket.write('hello')
  await says(client, 'hello')
  assert.is(link.connections, 1)
  client.socket.end()
  await closed(client)
  await waitFor(() => link.connections === 0, { everyMs: 5 })
  await link.stop()
  server.close()
})

test('a cut link resets connections and refuses new ones until it is healed', async () => {
  const { server, port, sockets } = await echo()
  const link = await Link.open(port)
  const before = await dial(link.port)
  before.socket.write('a')
  await says(before, 'a')
  link.set('cut')
  await closed(before)
  await waitFor(() => sockets[0]?.destroyed, { what: 'the far end', everyMs: 5 })
  const refused = connect(link.port, '127.0.0.1')
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
  assert.is(error.code, 'ECONNRESET')
  assert.is(sockets.length, 1, 'nothing reached the other side')
  link.set('open')
  const after = await dial(link.port)
  after.socket.write('b')
  await says(after, 'b')
  await link.stop()
  await closed(after)
  server.close()
})

test('a silent link holds everything back, and gives it on when it heals', async () => {
  const { server, port, sockets } = await echo()
  const link = await Link.open(port)
  const client = await dial(link.port)
  client.socket.write('a')
  await says(client, 'a')
  link.set('silent')
  client.socket.write('b')
  const late = await dial(link.port)
  late.socket.write('c')
  // Both have arrived at the proxy by the time that a connection through another link has gone there and back.
  const other = await Link.open(port)
  const witness = await dial(other.port)
  witness.socket.write('w')
  await says(witness, 'w')
  assert.is(client.text(), 'a')
  assert.is(late.text(), '')
  link.set('open')
  await says(client, 'ab')
  await says(late, 'c')

  // An end in the silence is learnt afterwards.
  link.set('silent')
  sockets[0]?.destroy()
  witness.socket.write('w')
  await says(witness, 'ww')
  assert.is(client.socket.destroyed, false)
  link.set('open')
  await closed(client)
  await Promise.all([link.stop(), other.stop()])
  for (const each of [client, late, witness]) each.socket.destroy()
  server.close()
})

test('a link to where nobody listens refuses', async () => {
  const { server, port } = await echo()
  server.close()
  await once(server, 'close')
  const link = await Link.open(port)
  const client = connect(link.port, '127.0.0.1')
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
  assert.is(error.code, 'ECONNRESET')
  await link.stop()
})

test('a process that was started for its links dials through them, by TCP and as HTTP does, and others alone are direct', async () => {
  const [first, second, third] = await Promise.all([echo(), echo(), echo('direct ')])
  // Two nodes of two ports: the first dials the second.
  const links = await Links.open([
    { tcp: first.port, ws: first.port },
    { tcp: second.port, ws: second.port },
  ])
  const run = async (): Promise<string> => {
    const { execArgv, env } = links.start(0)
    const program = `
      import net from 'node:net'
      import http from 'node:http'
      const dial = (...to) => new Promise(resolve => {
        const socket = net.connect(...to)
        socket.on('connect', () => socket.write('x')).on('data', text => { resolve(String(text)); socket.destroy() }).on('error', error => resolve(error.code))
      })
      const get = port => new Promise(resolve => http.get({ host: '127.0.0.1', port }).on('error', error => resolve(error.code)))
      console.log(await dial({ host: '127.0.0.1', port: ${second.port} }), await dial(${second.port}, '127.0.0.1'), await get(${second.port}), await dial(${third.port}, '127.0.0.1'))
    `
    const child = spawn(process.execPath, [...execArgv, '--input-type=module', '-e', program], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', piece => (text += piece))
    await once(child, 'close')
    return text.trim()
  }
  assert.is(await run(), 'x x HPE_INVALID_CONSTANT direct x')
  links.cut([1])
  assert.is(await run(), 'ECONNRESET ECONNRESET ECONNRESET direct x')
  links.heal()
  links.set(1, 0, 'cut')
  assert.is(await run(), 'x x HPE_INVALID_CONSTANT direct x')
  await links.stop()
  for (const { server } of [first, second, third]) server.close()
})

test('a group that is cut off keeps its own links', async () => {
  const echoes = await Promise.all([echo(), echo(), echo(), echo()])
  const links = await Links.open(echoes.map(({ port }) => ({ tcp: port, ws: port })))
  links.cut([0, 1], 'silent')
  const ports = (from: number): [number, number][] => JSON.parse(links.start(from).env.TESTNET_LINKS as string)
  const way = (from: number, to: number): number => ports(from).find(([port]) => port === echoes[to]?.port)?.[1] as number
  const answers = async (from: number, to: number): Promise<Client> => {
    const client = await dial(way(from, to))
    client.socket.write('x')
    return client
  }
  const [across, within, beyond] = await Promise.all([answers(1, 2), answers(1, 0), answers(2, 3)])
  await says(within, 'x')
  await says(beyond, 'x')
  assert.is(across.text(), '')
  links.heal()
  await says(across, 'x')
  await links.stop()
  for (const { server } of echoes) server.close()
})

test('a testnet that outlives its starter has no links', async () => {
  try {
    await openTestnet({ dir: join(import.meta.dirname, 'never-made'), detached: true, links: true })
    assert.unreachable()
  } catch (error) {
    assert.is(errorCode(error), 'invalid-argument')
  }
})

test.run()
