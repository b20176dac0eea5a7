/** Parameters of a chain on which only people's acts are of interest. */
import { EMERGENCY_DEFAULTS } from '../../src/contracts/emergency-formats.ts'
import type { Parameters } from '../../src/contracts/members-formats.ts'

export function parametersOf(): Parameters {
  return {
    n: 4,
    k: 2,
    heartbeatMs: 30_000,
    proposeTimeoutMs: 1000,
    voteTimeoutMs: 500,
    timeoutGrowthMs: 250,
    sponsorQuota: 1_000_000,
    folderQuota: 16,
    auditWindowMs: 300_000,
    emergency: EMERGENCY_DEFAULTS,
    recoveryWaitMs: 72 * 3_600_000,
    recoverySecondWaitMs: 14 * 24 * 3_600_000,
    policies: [{ name: 'anywhere', jurisdictions: null }],
    dictionaries: [],
  }
}
