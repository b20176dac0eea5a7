/** A process that reads its first record: `node first-record-node.ts <input as JSON>`. Its `performance.now()` begins with the process. */
import { type FirstRecord, readFirstRecord } from './first-record-read.ts'

const result = await readFirstRecord(JSON.parse(process.argv[2] ?? '') as FirstRecord)
process.stdout.write(`${JSON.stringify({ ...result, rssBytes: process.memoryUsage.rss() })}\n`)
