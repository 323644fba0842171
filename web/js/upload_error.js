/** The reason of every rejection: a sentence (`message`) and a stable word (`code`). */
export class UploadError extends Error {
  name = "UploadError";

  /**
   * @param {string} code
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
}
