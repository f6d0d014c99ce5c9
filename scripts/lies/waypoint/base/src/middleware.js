export function assertHandler(fn) {
  if (typeof fn !== 'function') {
    throw new TypeError(`a handler must be a function, got ${typeof fn}`);
  }
}

/** Makes one middleware of many. Each gets the context and a next() for what follows it. */
export function compose(list) {
  list.forEach(assertHandler);
  return (ctx, next) => {
    let last = -1;
    const dispatch = async (index) => {
      if (index <= last) throw new Error('next() was called twice');
      last = index;
      if (index === list.length) return next?.();
      return list[index](ctx, () => dispatch(index + 1));
    };
    return dispatch(0);
  };
}

/** Runs the middleware only where the test holds. */
export function when(test, middleware) {
  assertHandler(middleware);
  return (ctx, next) => (test(ctx) ? middleware(ctx, next) : next());
}

/** Turns errors into responses. An error without a status is not shown to the client. */
export function catchErrors({ log = null } = {}) {
  return async (ctx, next) => {
    try {
      return await next();
    } catch (error) {
      if (error?.status == null) {
        log?.(error);
        return { status: 500, body: 'internal error' };
      }
      return { status: error.status, body: error.expose ? error.message : 'error' };
    }
  };
}

/** Puts the time that the rest took into ctx.state.elapsed. */
export function timing({ now = Date.now } = {}) {
  return async (ctx, next) => {
    const start = now();
    try {
      return await next();
    } finally {
      ctx.state.elapsed = now() - start;
    }
  };
}
