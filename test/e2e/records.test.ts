/** Records by the command line over real processes: in through one node, out of another, with nodes missing and with bad input. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { waitFor } from '../../testnet/launcher/wait.ts'
import { generatePatient } from '../../testnet/population/patient.ts'
import { runCli } from '../cli/run-cli.ts'
import { failure, json, Setting, succeed } from './setting.ts'

const SEED = 5

const test = suite('records over the command line')
let setting: Setting

test.before(async () => {
  setting = await Setting.create('records', SEED)
})

test.after(async () => {
  await setting?.stop()
})

/** How many versions the folder holds. */
async function stored(): Promise<number> {
  const listed = await succeed('record', 'list', '--folder', setting.folder, '--limit', '10000', ...setting.patient)
  return (listed.records as unknown[]).length
}

test('each kind of record comes out of another node as it went in', async () => {
  const { bytes } = generatePatient({ seed: SEED, country: 'BR' })
  writeFileSync(setting.at('history.json'), bytes)
  const resource = '{"resourceType":"Observation","status":"final","code":{"text":"HbA1c"},"valueQuantity":{"value":6.10,"unit":"%"}}\n'
  writeFileSync(setting.at('one.json'), resource)
  const collection = `{ "resourceType": "Bundle", "type": "collection", "entry": [ {"resource": ${resource.trim()} } ] }`
  writeFileSync(setting.at('collection.json'), collection)
  const pdf = Buffer.from('%PDF-1.7 not really, and so some bytes \0\u0001\u0002')
  writeFileSync(setting.at('letter.pdf'), pdf)
  const cases: [string, string[]][] = [
    ['history.json', []],
    ['one.json', []],
    ['collection.json', []],
    ['letter.pdf', ['--type', 'application/pdf']],
  ]
  for (const [file, options] of cases) {
    const run = await setting.put(setting.at(file), ...options)
    assert.is(run.code, 0, run.stderr)
    assert.is(json(run).status, 'written')
    const written = json(run) as { submission: string; versions: { record: string }[] }
    const selector = options.length > 0 ? [written.versions[0]?.record as string] : ['--submission', written.submission]
    const read = await setting.get('out', ...selector)
    assert.is(read.code, 0, read.stderr)
    assert.ok(readFileSync(setting.at('out')).equals(readFileSync(setting.at(file))), `${file} is byte for byte what went in`)
    rmSync(setting.at('out'))
  }
})

test('what its owner erases is gone: custodians sign, and a read says that it was erased', async () => {
  writeFileSync(setting.at('secret.txt'), 'to be forgotten')
  const put = await setting.put(setting.at('secret.txt'), '--type', 'text/plain')
  assert.is(put.code, 0, put.stderr)
  const record = (json(put) as { versions: { record: string }[] }).versions[0]?.record as string
  const before = await stored()
  const erased = await succeed('record', 'erase', record, '--folder', setting.folder, '--yes', '--wait', '1m', ...setting.patient)
  assert.equal([erased.status, erased.custodians, erased.laggards, erased.manifests], ['erased', 4, [], 0])
  const read = await runCli(['record', 'get', record, '--folder', setting.folder, ...setting.patient, '--json'])
  assert.is(read.code, 1, read.stderr)
  assert.is(failure(read).code, 'erased')
  assert.is(await stored(), before - 1)
  const status = await succeed('record', 'erasure', '--folder', setting.folder, '--wait', '1m', ...setting.patient)
  const { orders, receipts } = status as { orders: { record: string; receipts: number }[]; receipts: { destroyed: boolean }[] }
  assert.equal(
    orders.map(order => [order.record, order.receipts]),
    [[record, 4]],
  )
  assert.ok(receipts.every(({ destroyed }) => destroyed))
})

test('bad input is refused with a reason, and nothing is stored', async () => {
  const before = await stored()
  writeFileSync(setting.at('text.json'), 'no json at all')
  writeFileSync(setting.at('bogus.json'), '{"resourceType":"Observation","status":"bogus","code":{"text":"x"}}')
  const cases: [string[], number, string, RegExp][] = [
    [[setting.at('text.json')], 1, 'not-json', /line 1/],
    [[setting.at('bogus.json')], 1, 'not-fhir', /Observation\.status/],
    [[setting.at('missing.json')], 1, 'file-missing', /missing\.json/],
  ]
  for (const [args, exit, code, words] of cases) {
    const run = await setting.put(args[0] as string, ...args.slice(1))
    assert.is(run.code, exit, run.stderr)
    assert.is(failure(run).code, code, run.stderr)
    assert.match(failure(run).message, words)
    assert.is(run.stdout, '')
  }
  const elsewhere = await runCli(['record', 'put', setting.at('one.json'), '--folder', 'ab'.repeat(32), ...setting.author, '--json'])
  assert.not.equal(elsewhere.code, 0)
  assert.is(await stored(), before)
})

test('with one custodian missing a write is degraded, and reads as well', async () => {
  await setting.net.kill(3)
  const run = await setting.put(setting.at('history.json'))
  assert.is(run.code, 0, run.stderr)
  assert.is(json(run).status, 'degraded')
  const submission = json(run).submission as string
  const read = await setting.get('out', '--submission', submission)
  assert.is(read.code, 0, read.stderr)
  assert.ok(readFileSync(setting.at('out')).equals(readFileSync(setting.at('history.json'))))
})

test('with two missing nothing is written, and the status says who is missing', async () => {
  const before = await stored()
  await setting.net.kill(2)
  const run = await setting.put(setting.at('one.json'))
  assert.is(run.code, 5, run.stderr)
  assert.is(failure(run).code, 'too-few-receipts')
  assert.match(failure(run).message, /Nothing was anchored/)
  const missing = setting.net.nodes.slice(2).map(node => node.name)
  await waitFor(async () => {
    const status = await runCli(['status', ...setting.author.slice(0, 2), '--check', '--json'])
    const { state, summary } = json(status) as { state: string; summary: string }
    return status.code === 5 && state === 'quorum-missing' && missing.every(name => summary.includes(name))
  })
  await setting.net.restart(2)
  await setting.net.restart(3)
  assert.is(await stored(), before, 'what was refused is nowhere')
})

test.run()
