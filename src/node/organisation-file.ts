/** `organisation.json`: the public half of an organisation, which its operator hands to the network's founders or members. */
import { z } from 'zod'
import { organisationFault } from '../contracts/members.ts'
import { type Organisation, organisationCodec } from '../contracts/members-formats.ts'
import { EpioneError } from '../encoding/errors.ts'
import { readBoundedFile } from './config-file.ts'
import { organisationFileSchema, organisationFromFile, organisationToFile } from './genesis-file.ts'

const MAX_BYTES = 64 * 1024

export function formatOrganisation(organisation: Organisation): string {
  return `${JSON.stringify(organisationToFile(organisation), null, 2)}\n`
}

/** @throws EpioneError `organisation-invalid` with the first fault */
export function parseOrganisation(text: string, place: string): Organisation {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new EpioneError('organisation-invalid', `${place} is not valid: ${reason}`, { cause })
  }
  try {
    const organisation = organisationFromFile(organisationFileSchema.parse(JSON.parse(text)))
    organisationCodec.encode(organisation)
    const fault = organisationFault(organisation)
    return fault === undefined ? organisation : refuse(`the organisation ${fault}`)
  } catch (error) {
    if (error instanceof EpioneError && error.code === 'organisation-invalid') throw error
    return refuse(error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : 'not readable', error)
  }
}

/** @throws EpioneError `file-unreadable`, `file-too-large`, `organisation-invalid` */
export async function readOrganisation(path: string): Promise<Organisation> {
  const text = await readBoundedFile(path, MAX_BYTES)
  if (text === null) throw new EpioneError('file-unreadable', `there is no file ${path}`, { metadata: { path } })
  return parseOrganisation(text, path)
}
