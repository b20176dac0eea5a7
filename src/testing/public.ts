/**
 * For unit tests of applications, published as `epione/testing`: a whole network in this process, of real nodes with real cryptography and real
 * consensus, that is up in about a second and forgotten with `stop`. What holds here holds on a network of many machines: nothing is played.
 *
 *     await using net = await createTestNetwork({ seed: 1 })
 *     const peer = await net.connect()
 */

export { type EnrolledPatient, enrolPatient, permitFor, textRecord } from './fixtures.ts'
export { createTestNetwork, type TestNetwork, type TestNetworkOptions, type TestOrganisation } from './test-network.ts'
