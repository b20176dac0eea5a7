/** How the bodies of logs hang together with the state: for nodes that take over logs which they did not make by executing. */
import { equalBytes } from '../encoding/bytes.ts'
import { MalformedError } from '../encoding/errors.ts'
import type { StateTree } from '../ledger/state-tree.ts'
import { accessEntryCodec, accessEntryId } from './access-formats.ts'
import { evidenceEntryCodec, evidenceEntryId } from './evidence-formats.ts'
import { logHeadCodec } from './members-formats.ts'
import { NAMESPACE, stateKey } from './state-keys.ts'

/** Id of a log's item by its body. @throws MalformedError where the log has no such item */
export function logItemId(stream: Uint8Array, body: Uint8Array): Uint8Array {
  if (stream[0] === NAMESPACE.evidence) {
    if (!equalBytes(stateKey.evidence(), stream)) throw new MalformedError('there is no such log')
    return evidenceEntryId(evidenceEntryCodec.decode(body))
  }
  if (stream[0] !== NAMESPACE.accessLog) throw new MalformedError('there is no such log')
  const entry = accessEntryCodec.decode(body)
  if (!equalBytes(stateKey.accessLog(entry.folder), stream)) throw new MalformedError('the item is of another log')
  return accessEntryId(entry)
}

/** All logs of a state with their counts and heads, ascending by stream. */
export function* logHeads(tree: StateTree): Generator<{ stream: Uint8Array; count: number; head: Uint8Array }> {
  for (const namespace of [NAMESPACE.accessLog, NAMESPACE.evidence]) {
    for (const [stream, value] of tree.entries(Uint8Array.of(namespace))) yield { stream, ...logHeadCodec.decode(value) }
  }
}
