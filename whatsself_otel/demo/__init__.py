"""A small WhatsSelf: inbound message, trigger, flow, queue, send, acknowledgement. Needs the extra ``[demo]``."""
