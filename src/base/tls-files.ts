/**
 * Certificates and keys as they lie in files, for both ends of a connection.
 *
 * Guarantee: what is wrong with one is told with the key of the configuration, the file and what to do; never with its content.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf, OwlError } from './errors.js';

/** A file that the configuration names. */
export interface NamedFile {
  /** `tls.cert` */
  readonly key: string;
  readonly path: string;
}

export interface CertificateAndKey {
  /** With those between it and its authority. */
  readonly cert: Buffer;
  readonly key: Buffer;
  /** The first one. */
  readonly certificate: X509Certificate;
}

/** @throws OwlError kind `invalid` */
export function readTlsFile({ key, path }: NamedFile): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new OwlError('invalid', `${key}: ${path} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

/** @throws OwlError kind `invalid` when a file is missing, holds something else, or they do not belong together */
export function readCertificateAndKey(cert: NamedFile, key: NamedFile): CertificateAndKey {
  const pem = readTlsFile(cert);
  const certificate = certificateIn(cert, pem);
  const keyPem = readTlsFile(key);
  if (!isKeyOf(certificate, key, keyPem))
    throw new OwlError(
      'invalid',
      `${key.key}: ${key.path} is not the key of the certificate in ${cert.path} (${cert.key}); name the two that belong together`,
    );
  return { cert: pem, key: keyPem, certificate };
}

/** The authorities in a file. @throws OwlError kind `invalid` when there is none */
export function readAuthorities(file: NamedFile): Buffer {
  const pem = readTlsFile(file);
  certificateIn(file, pem);
  return pem;
}

/** @param now Unix milliseconds. @throws OwlError kind `invalid` when the certificate does not count now */
export function assertValidAt(certificate: X509Certificate, { key, path }: NamedFile, now: number): void {
  const { validFrom, validTo } = certificate;
  if (now > Date.parse(validTo))
    throw new OwlError('invalid', `${key}: the certificate in ${path} has expired on ${validTo}; renew it`);
  if (now < Date.parse(validFrom))
    throw new OwlError(
      'invalid',
      `${key}: the certificate in ${path} counts from ${validFrom} only; wait for that, or set this machine's clock`,
    );
}

const BEGIN = '-----BEGIN CERTIFICATE-----';

/** The first one. All of them are looked at, for whoever uses the file passes over what comes behind one that is broken. */
function certificateIn({ key, path }: NamedFile, pem: Buffer): X509Certificate {
  const [, ...parts] = pem.toString('latin1').split(BEGIN);
  const certificates = parts.map((part, at) => {
    try {
      return new X509Certificate(`${BEGIN}${part}`);
    } catch (error) {
      const which = parts.length === 1 ? 'holds no' : `holds as its certificate ${at + 1} no`;
      throw new OwlError('invalid', `${key}: ${path} ${which} certificate as PEM`, { cause: error });
    }
  });
  const [first] = certificates;
  if (first !== undefined) return first;
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new OwlError('invalid', `${key}: ${path} holds no certificate as PEM`, { cause: error });
  }
}

function isKeyOf(certificate: X509Certificate, { key, path }: NamedFile, pem: Buffer): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem));
  } catch (error) {
    throw new OwlError('invalid', `${key}: ${path} holds no private key as PEM that can be used as it is`, {
      cause: error,
    });
  }
}
