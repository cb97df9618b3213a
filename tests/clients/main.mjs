// main.mjs: every file of tests, one daemon for all.
import { finish, serve } from './support.mjs';
import { testOpenai } from './openai.mjs';
import { testResponses } from './responses.mjs';
import { testOllama } from './ollama.mjs';
import { testHuggingface } from './huggingface.mjs';
import { testProtocols } from './protocols.mjs';
import { testOpenapi } from './openapi.mjs';
import { testTools } from './tools.mjs';

const server = await serve();
await testOpenai(server);
await testResponses(server);
await testOllama(server);
await testHuggingface(server);
await testProtocols(server);
await server.stop();
await testOpenapi();
await testTools();
finish();
