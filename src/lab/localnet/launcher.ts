import { LabError } from '../errors.ts'
import { packageFile } from './package-file.ts'

/** The launcher script of `sealsync`. Throws LabError `bad-option` when the package is not whole. */
export function launcherFile(): string {
  const path = packageFile('bin/sealsync.mjs')
  if (path === undefined)
    throw new LabError('bad-option', 'the launcher bin/sealsync.mjs is missing: install the package anew')
  return path
}
