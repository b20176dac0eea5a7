/** Whether a node does all that it is there for: for probes. A pure function of its findings. */
import { type Finding, type NodeState, STATES } from './diagnosis.ts'

/** Codes of findings by which a node is not ready: those that make its state another than `ok`, and a disk without room. */
export const NOT_READY: ReadonlySet<string> = new Set([...Object.keys(STATES), 'read-only'])

export interface Reason {
  /** Stable; see README.md. */
  code: string
  message: string
}

/**
 * Why a node is not ready; empty where it is. A state without a finding, as an older node reports it, is a reason by its own name.
 * @param status what the node says of itself
 */
export function notReadyBecause(status: {
  readonly state: NodeState
  readonly summary: string
  readonly findings: readonly Pick<Finding, 'code' | 'message'>[]
}): Reason[] {
  const reasons = status.findings.filter(({ code }) => NOT_READY.has(code)).map(({ code, message }) => ({ code, message }))
  return reasons.length === 0 && status.state !== 'ok' ? [{ code: status.state, message: status.summary }] : reasons
}
