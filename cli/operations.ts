/** Health and metrics of a node that runs here, over HTTP, where its settings ask for them. */
import { EpioneError } from '../src/encoding/errors.ts'
import type { OperationsDependencies, OperationsServer } from '../src/gateway/operations-server.ts'
import { readBoundedFile } from '../src/node/config-file.ts'
import { type Endpoint, parseEndpoint } from '../src/node/endpoint.ts'
import type { NodeConfig } from '../src/node/settings.ts'
import { packageInfo } from './package-info.ts'

const MAX_TOKEN_BYTES = 1024
/** A token that can be guessed protects nothing. */
const TOKEN = /^[\x21-\x7e]{16,512}$/

/** Operations that are served. */
export interface RunningOperations {
  server: OperationsServer
  /** Such as `http://127.0.0.1:7790`. */
  url: string
}

/**
 * What serves them, once the node is there; null where the settings do not ask for it. What is wrong with the settings is said now.
 * @throws EpioneError `config-invalid`
 */
export async function prepareOperations({
  operations,
  operationsTokenFile,
}: NodeConfig): Promise<((dependencies: OperationsDependencies) => Promise<RunningOperations>) | null> {
  if (operations === null) return null
  const endpoint = parseEndpoint(operations as string) as Endpoint
  const token = operationsTokenFile === null ? null : await readToken(operationsTokenFile as string)
  return async dependencies => {
    // HTTP and metrics are loaded only by nodes that serve them.
    const { OperationsServer } = await import('../src/gateway/operations-server.ts')
    const server = new OperationsServer({ ...endpoint, token, version: packageInfo().version }, dependencies)
    return { server, url: await server.start() }
  }
}

async function readToken(path: string): Promise<string> {
  const token = (await readBoundedFile(path, MAX_TOKEN_BYTES))?.trim()
  if (token === undefined) throw new EpioneError('config-invalid', `there is no file ${path}, which operationsTokenFile names`)
  if (!TOKEN.test(token)) {
    throw new EpioneError(
      'config-invalid',
      `${path} must hold one token of 16 to 512 characters without spaces, such as openssl rand -hex 32 prints`,
    )
  }
  return token
}
