import type { ApiRequest, JsonReply, Reply } from '../route.ts';

/** The edge of a route with any input whose documented reply has a `Body`. */
export interface Reshaped<Body> {
  readonly answer: <Input>(
    request: ApiRequest<Input>,
    documented: (request: ApiRequest<Input>) => Promise<Reply<Body>>,
  ) => Promise<Reply>;
}

/** An edge that gives the documented reply another body, or another status. Replies without a body stay as they are. */
export function reshape<Body>(
  shape: (body: Body, request: ApiRequest<unknown>) => Partial<JsonReply>,
): Reshaped<Body> {
  return {
    answer: async (request, documented) => {
      const reply = await documented(request);
      if (reply === 'sent' || reply.body === undefined) return reply;
      return { ...reply, ...shape(reply.body, request) };
    },
  };
}
