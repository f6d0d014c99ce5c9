export class HttpError extends Error {
  constructor(status, message, options = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    this.status = status;
    this.expose = options.expose ?? status < 500;
  }
}

export class BadRequest extends HttpError {
  constructor(message = 'bad request', options) {
    super(400, message, options);
  }
}

export class NotFound extends HttpError {
  constructor(path, options) {
    super(404, `nothing at ${path}`, options);
    this.path = path;
  }
}
