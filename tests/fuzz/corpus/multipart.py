#!/usr/bin/env python3
"""Writes tests/fuzz/corpus/multipart/*: the same form, a part `image` and an option max_words=12, as different clients send
it. A file is the Content-Type, an empty line, and the body. tests/unit/test_multipart.c reads them all, and they are the
seeds of fuzz_multipart. The ways of writing are those of the clients' sources or of captured requests; the image is a few
bytes that look like the beginning of a boundary."""
import os

IMAGE = b'\x89PNG\r\n\x1a\n\r\n--\r\r\n--BOUNDAR\n--BOUNDARY\r--\x00\xff\r\n'
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'multipart')


def write(name, content_type, *pieces):
    body = b''.join(p if isinstance(p, bytes) else p.encode() for p in pieces)
    with open(os.path.join(HERE, name), 'wb') as out:
        out.write(content_type.encode() + b'\n\n' + body)


def parts(boundary, image_headers, option_headers, end='\r\n', line='\r\n'):
    """Headers are lists of lines."""
    def head(lines):
        return line.join([f'--{boundary}', *lines, '', ''])
    return [head(option_headers), '12', line, head(image_headers), IMAGE, line, f'--{boundary}--{end}']


def form(name, boundary, image, option, content_type='multipart/form-data; boundary={}', **how):
    write(name, content_type.format(boundary), *parts(boundary, image, option, **how))


def disposition(rest):
    return f'Content-Disposition: form-data; {rest}'


os.makedirs(HERE, exist_ok=True)

# curl -F max_words=12 -F image=@a.png
form('curl', '------------------------d74496d66958873e',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png'], [disposition('name="max_words"')])

# Python: requests and urllib3; httpx; aiohttp, which announces lengths; email.mime, which encodes
form('python-requests', '7d4a6b0f1c2e4f5a9b8c7d6e5f4a3b2c',
     [disposition('name="image"; filename="a.png"')], [disposition('name="max_words"')])
form('python-httpx', 'a1b2c3d4e5f60718293a4b5c6d7e8f90',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png'], [disposition('name="max_words"')])
form('python-aiohttp', '0d3a5b6c7d8e9f00112233445566778',
     ['Content-Type: image/png', disposition('name="image"; filename="a.png"; filename*=utf-8\'\'a.png'),
      f'Content-Length: {len(IMAGE)}'],
     ['Content-Type: text/plain; charset=utf-8', disposition('name="max_words"'), 'Content-Length: 2'])
write('python-email', 'multipart/form-data; boundary="===============7330845974216740156=="',
      '--===============7330845974216740156==\nContent-Type: text/plain; charset="us-ascii"\nMIME-Version: 1.0\n'
      'Content-Transfer-Encoding: 7bit\nContent-Disposition: form-data; name="max_words"\n\n12\n'
      '--===============7330845974216740156==\nContent-Type: image/png\nMIME-Version: 1.0\n'
      'Content-Transfer-Encoding: base64\nContent-Disposition: form-data; name="image"; filename="a.png"\n\n',
      __import__('base64').encodebytes(IMAGE), '\n--===============7330845974216740156==--\n')

# .NET: HttpClient quotes the boundary, not the names
form('dotnet', '0f8fad5b-d9cb-469f-a165-70867728950e',
     ['Content-Type: image/png', disposition("name=image; filename=a.png; filename*=utf-8''a.png")],
     ['Content-Type: text/plain; charset=utf-8', disposition('name=max_words')],
     content_type='multipart/form-data; boundary="{}"')
form('dotnet-restsharp', '-------------------------------28947758029299',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png'], [disposition('name="max_words"')],
     content_type='multipart/form-data; boundary="{}"')

# Java: Apache HttpClient 4 and 5, JMeter (a capital letter, a charset behind), OkHttp, Spring (charset first)
form('java-httpclient4', 'Zd2x_lvDQxKsJbLxJ7fCw0wVbRgQx',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png', 'Content-Transfer-Encoding: binary'],
     [disposition('name="max_words"'), 'Content-Type: text/plain; charset=ISO-8859-1', 'Content-Transfer-Encoding: 8bit'],
     content_type='multipart/form-data; boundary={}; charset=ISO-8859-1')
form('java-httpclient5', 'httpclient_boundary_7e6d2b0e-7a9f-4f67-9bde-8d5bd2f8a6c1',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png'],
     [disposition('name="max_words"'), 'Content-Type: text/plain; charset=UTF-8'],
     content_type='multipart/form-data; charset=UTF-8; boundary={}')
form('java-jmeter', '---------------------------7d159c1302d0y0',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png', 'Content-Transfer-Encoding: binary'],
     [disposition('name="max_words"'), 'Content-Type: text/plain; charset=US-ASCII', 'Content-Transfer-Encoding: 8bit'],
     content_type='multipart/form-data; Boundary={}; charset=US-ASCII')
form('java-okhttp', 'c0bdd3e5-2a3f-4a11-9d11-1ff0f2e8a9d4',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png', f'Content-Length: {len(IMAGE)}'],
     [disposition('name="max_words"'), 'Content-Length: 2'])
form('java-spring', 'kx9A7YcD0B2mQ1',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png', f'Content-Length: {len(IMAGE)}'],
     [disposition('name="max_words"'), 'Content-Type: text/plain;charset=UTF-8', 'Content-Length: 2'],
     content_type='multipart/form-data;charset=UTF-8;boundary={}')

# Go: mime/multipart
form('go', '3d14ad1b6c3c1f9dc6e3dbbcda7f4b5ddc3e1f5e0bb3f1bd7d0eda4d14f2',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: application/octet-stream'],
     [disposition('name="max_words"')])

# browsers, and Node's fetch; a name with quotes and an umlaut as they write it
form('chromium', '----WebKitFormBoundarybAbKFV8dYKmUWEGB',
     [disposition('name="image"; filename="%22a%22 ä.png"'), 'Content-Type: image/png'], [disposition('name="max_words"')])
form('firefox', '----geckoformboundary5a5c2d1a9a3a6b3c2b1e4f6d7c8b9a0',
     [disposition('name="image"; filename="a;b=c.png"'), 'Content-Type: image/png'], [disposition('name="max_words"')])
form('node-undici', '----formdata-undici-041232147589',
     [disposition('name="image"; filename="blob"'), 'Content-Type: image/png'], [disposition('name="max_words"')])
form('node-form-data', '--------------------------615427439385041943862546',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png'], [disposition('name="max_words"')])
form('internet-explorer', '---------------------------7da24f2e50046',
     [disposition('name="image"; filename="C:\\Users\\ann\\a.png"'), 'Content-Type: image/x-png'],
     [disposition('name="max_words"')])

# others, and what RFC 2046 allows
form('postman', '--------------------------878318098127437842372112',
     [disposition('name="image"; filename="a.png"'), 'Content-Type: image/png'], [disposition('name="max_words"')])
form('escaped-quotes', 'BOUNDARY', [disposition('filename="a \\"b\\" c.png"; name="image"')], [disposition('name="max_words"')])
form('bare-quotes', 'BOUNDARY', [disposition('name="image"; filename="a "b" c.png"')], [disposition('name="max_words"')])
form('folded', 'BOUNDARY', ['Content-Disposition: form-data;', '\tname="image";', ' filename="a.png"', 'Content-Type:', ' image/png'],
     ['content-disposition:form-data;name="max_words"'])
form('extended-name', 'BOUNDARY', [disposition("name*=utf-8''im%61ge; filename=\"a.png\"")], [disposition('name="max_words"')])
form('no-end-of-line', 'BOUNDARY', [disposition('name="image"')], [disposition('name="max_words"')], end='')
form('epilogue', 'BOUNDARY', [disposition('name="image"')], [disposition('name="max_words"')], end='\r\nso long\r\n--BOUNDARY\r\n')
form('line-feeds', 'BOUNDARX', [disposition('name="image"')], [disposition('name="max_words"')], line='\n', end='\n')
form('odd-boundary', "a'()+_,-./:=?z", [disposition('name="image"')], [disposition('name="max_words"')],
     content_type='Multipart/Form-Data ; charset="a;b" ; BOUNDARY = "{}" ; x')
write('preamble-and-padding', 'multipart/form-data; boundary=BOUNDARY',
      'a preamble\r\n --BOUNDARY\r\n--BOUNDARYS\r\n--BOUNDARY \t \r\n', disposition('name="max_words"'), '\r\n\r\n12\r\n--BOUNDARY\t\r\n',
      disposition('name="image"'), '\r\n\r\n', IMAGE, '\r\n--BOUNDARY-- \r\n')
write('charset-field', 'multipart/form-data; boundary=BOUNDARY',
      '--BOUNDARY\r\n', disposition('name="_charset_"'), '\r\n\r\nUTF-8\r\n',
      *parts('BOUNDARY', [disposition('name="image"')], [disposition('name="max_words"')]))
