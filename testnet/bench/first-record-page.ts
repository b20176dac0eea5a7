/** A page that reads its first record, from `input.json` beside it. Its `performance.now()` begins with the navigation. */
import { useWorker } from '../../src/client/heavy.ts'
import { type FirstRecord, readFirstRecord } from './first-record-read.ts'

useWorker(() => new Worker('/epione-worker.js', { type: 'module' }))
const input = (await (await fetch('/input.json')).json()) as FirstRecord | null
if (input !== null) document.title = JSON.stringify(await readFirstRecord(input))
