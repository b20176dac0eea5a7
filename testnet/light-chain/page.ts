/** The page in which light verification is measured. */
import { verifyJourney } from './verify.ts'

Object.assign(globalThis, { verifyJourney })
document.title = 'ready'
