/** The scenarios that come with epione: a file each in `catalogue/`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EpioneError } from '../../src/encoding/errors.ts'
import { parseScenario, type ScenarioManifest } from './manifest.ts'

const FOLDER = join(import.meta.dirname, 'catalogue')
const ENDING = '.yaml'

/** Their names, in order. */
export function scenarioNames(): string[] {
  return readdirSync(FOLDER)
    .filter(name => name.endsWith(ENDING))
    .map(name => name.slice(0, -ENDING.length))
    .sort()
}

/** One by its name, or of a file. @throws EpioneError `scenario-missing`, `scenario-invalid` */
export function readScenario(nameOrFile: string): ScenarioManifest {
  const known = scenarioNames().includes(nameOrFile)
  const path = known ? join(FOLDER, `${nameOrFile}${ENDING}`) : nameOrFile
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new EpioneError(
      'scenario-missing',
      `There is no scenario and no file ${nameOrFile}; the scenarios are ${scenarioNames().join(', ')}.`,
      { cause: error },
    )
  }
  return parseScenario(text, path)
}
