// main.mjs: every file of tests, one daemon for all.
import { finish, serve } from './support.mjs';
import { testOpenai } from './openai.mjs';
import { testHuggingface } from './huggingface.mjs';
import { testProtocols } from './protocols.mjs';
import { testOpenapi } from './openapi.mjs';

const server = await serve();
await testOpenai(server);
await testHuggingface(server);
await testProtocols(server);
await server.stop();
await testOpenapi();
finish();
