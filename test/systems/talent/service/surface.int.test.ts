/** What tools see of the service that know nothing of owl: health checks and server reflection, as grpcurl uses them. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import descriptors from 'google-protobuf/google/protobuf/descriptor_pb.js';
import { protoPath as healthProto } from 'grpc-health-check';
import t, { type Test } from 'tap';
import { loadProto, serviceOf } from '../../../../src/wire/proto.js';
import { startTalentNode } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';

const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
const REFLECTION_PROTOS = join(
  dirname(createRequire(import.meta.url).resolve('@grpc/reflection')),
  '../proto/grpc/reflection',
);

function methodOf(protoFile: string, service: string, name: string): MethodDefinition<object, object> {
  const method = serviceOf(loadSync(protoFile, OPTIONS), service)[name];
  if (method === undefined) throw new Error(`${service} has no method ${name}`);
  return method;
}

function connect(t: Test, address: string): Client {
  const channel = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  t.teardown(() => channel.close());
  return channel;
}

interface FileDescriptors {
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Uint8Array[] };
  readonly error_response?: { readonly error_message: string };
}

for (const version of ['v1', 'v1alpha']) {
  t.test(`reflection ${version} tells all there is to call`, async (t) => {
    const { address } = await startTalentNode(t);
    const service = `grpc.reflection.${version}.ServerReflection`;
    const file = join(REFLECTION_PROTOS, version, 'reflection.proto');
    const { path, requestSerialize, responseDeserialize } = methodOf(file, service, 'ServerReflectionInfo');
    const channel = connect(t, address);
    const ask = (
      request: object,
    ): Promise<FileDescriptors & { list_services_response?: { service: { name: string }[] } }> =>
      new Promise((resolve, reject) => {
        const call = channel.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
        call.on('data', resolve);
        call.on('error', reject);
        call.end(request);
      });

    const { list_services_response: list } = await ask({ list_services: '' });
    const names = list?.service.map(({ name }) => name);
    t.ok(names?.includes('talent.PlotManager'), String(names));
    t.ok(names?.includes('grpc.health.v1.Health'), String(names));

    const { file_descriptor_response: files } = await ask({ file_containing_symbol: 'talent.PlotManager' });
    const parsed = (files?.file_descriptor_proto ?? []).map((bytes) =>
      descriptors.FileDescriptorProto.deserializeBinary(new Uint8Array(bytes)),
    );
    const talent = parsed.find((one) => one.getPackage() === 'talent');
    const methods =
      talent
        ?.getServiceList()[0]
        ?.getMethodList()
        .map((method) => method.getName() ?? '') ?? [];
    t.same(methods.sort(), Object.keys(serviceOf(loadProto('talent'), 'talent.PlotManager')).sort());

    const messages = new Map(talent?.getMessageTypeList().map((message) => [message.getName(), message]));
    for (const message of messages.values()) {
      const oneofs = message.getOneofDeclList().length;
      for (const field of message.getFieldList())
        t.ok(!field.hasOneofIndex() || (field.getOneofIndex() ?? 0) < oneofs, 'only oneofs that are there');
    }
    t.equal(talent?.getSyntax(), 'proto3');
    t.match(await ask({ file_containing_symbol: 'talent.Nobody' }), {
      error_response: { error_message: /talent\.Nobody/ },
    });
  });
}

t.test('health checks answer for the server and for its services', async (t) => {
  const { address, talent } = await startTalentNode(t);
  const channel = connect(t, address);
  const check = methodOf(healthProto, 'grpc.health.v1.Health', 'Check');
  const ask = (service: string): Promise<object | undefined> =>
    new Promise((resolve, reject) => {
      channel.makeUnaryRequest(
        check.path,
        check.requestSerialize,
        check.responseDeserialize,
        { service },
        (error, answer) => (error === null ? resolve(answer) : reject(error)),
      );
    });
  t.same(await ask(''), { status: 'SERVING' });
  t.same(await ask('talent.PlotManager'), { status: 'SERVING' });
  await t.rejects(ask('talent.Nobody'), { code: 5 });

  const watch = methodOf(healthProto, 'grpc.health.v1.Health', 'Watch');
  const call = channel.makeServerStreamRequest(
    watch.path,
    watch.requestSerialize,
    watch.responseDeserialize,
    {
      service: 'talent.PlotManager',
    },
  );
  const seen: string[] = [];
  call.on('data', ({ status }: { status?: string }) => seen.push(status ?? ''));
  call.on('error', () => undefined);
  await until('the first state is told', () => seen.length === 1);
  const stopped = talent.stop();
  await until('that it stops is told', () => seen.includes('NOT_SERVING'));
  call.cancel();
  await stopped;
  t.same(seen, ['SERVING', 'NOT_SERVING']);
});
