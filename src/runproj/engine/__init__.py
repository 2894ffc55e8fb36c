"""The verbs: pure logic over ports."""
