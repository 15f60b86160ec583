/**
 * Base of every room's error class. Callers switch on `code`, never on the message; `details` is the code's payload.
 * A room derives one class: `class StoreError extends AppError<StoreErrorCode> {}`.
 */
export class AppError<Code extends string> extends Error {
  readonly code: Code
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: Code,
    message: string,
    options: { readonly cause?: unknown; readonly details?: Record<string, unknown> } = {}
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.details = options.details ?? {}
  }
}

/** The message of anything thrown, on one line. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(/\s+/g, ' ')
}

/** The `code` of a system or room error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
