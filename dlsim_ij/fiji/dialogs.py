"""Windows that nobody can see: in headless mode each dialog is read, noted and cancelled at once.

Without this, a macro that shows a message or asks a question would wait for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

LOOK_EVERY_MS = 15
MODELESS_SECONDS = 1.0  # a dialog for which nobody waits is closed after this time


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """A dialog that was cancelled."""

    title: str
    text: str
    is_message: bool  # nothing was asked, so cancelling changes nothing
    line: int | None  # of the macro that opened it


class DialogWatch:
    """Cancel dialogs while installed; one per session with a display that no person watches."""

    def __init__(self) -> None:
        import jpype
        from jpype import JClass

        self._proxy, self._class = jpype.JProxy, JClass
        self._seen: list[Dialog] = []
        self._line: Callable[[], int | None] = lambda: None
        self._dialog = JClass("java.awt.Dialog")
        self._event = JClass("java.awt.event.WindowEvent")
        listener = jpype.JProxy("java.awt.event.AWTEventListener", dict={"eventDispatched": self._on_event})
        toolkit = JClass("java.awt.Toolkit").getDefaultToolkit()
        toolkit.addAWTEventListener(listener, JClass("java.awt.AWTEvent").WINDOW_EVENT_MASK)

    def begin(self, line: Callable[[], int | None]) -> None:
        """Start a new list; `line` tells where the macro stands."""
        self._seen, self._line = [], line

    def end(self) -> list[Dialog]:
        """Return what was cancelled since `begin`, in order."""
        self._line = lambda: None
        return self._seen

    def _on_event(self, event: Any) -> None:
        if event.getID() != self._event.WINDOW_OPENED:
            return
        window = event.getSource()
        if not isinstance(window, self._dialog):
            return
        name = str(window.getClass().getSimpleName())
        self._seen.append(
            Dialog(
                title=str(window.getTitle() or "").strip(),
                text=" ".join(" ".join(_texts(window)).split()),
                is_message=name in ("MessageDialog", "HTMLDialog"),
                line=self._line(),
            )
        )
        self._close_when_waited_for(window)

    def _close_when_waited_for(self, window: Any) -> None:
        """Close a dialog as soon as somebody waits for it.

        WINDOW_OPENED comes before the thread that opened it has begun to wait; whoever closes it then wakes
        nobody, and that thread waits for ever.
        """
        opened = time.monotonic()
        classes = set(_class_names(window))

        def look(event: Any) -> None:
            if not window.isShowing():
                event.getSource().stop()
            elif _is_waited_for(classes) or time.monotonic() - opened > MODELESS_SECONDS:
                window.dispatchEvent(self._event(window, self._event.WINDOW_CLOSING))
                if window.isShowing():  # ImageJ's "wait for user" does not listen to that
                    window.close() if hasattr(window, "close") else window.dispose()

        listener = self._proxy("java.awt.event.ActionListener", dict={"actionPerformed": look})
        self._class("javax.swing.Timer")(LOOK_EVERY_MS, listener).start()


def _class_names(window: Any) -> Iterator[str]:
    kind = window.getClass()
    while str(kind.getName()) != "java.awt.Window":
        yield str(kind.getName())
        kind = kind.getSuperclass()


def _is_waited_for(classes: set[str]) -> bool:
    """Whether a thread stands still in a method of one of these classes."""
    from jpype import JClass

    thread = JClass("java.lang.Thread")
    waiting = thread.State.WAITING
    return any(
        entry.getKey().getState() == waiting
        and any(str(frame.getClassName()) in classes for frame in entry.getValue())
        for entry in thread.getAllStackTraces().entrySet()
    )


def _texts(component: Any) -> list[str]:
    """Collect what stands in a window, buttons left out."""
    name = str(component.getClass().getSimpleName())
    if name == "MultiLineLabel":  # ImageJ's own; it has no getter
        lines = component.getClass().getDeclaredField("lines")
        lines.setAccessible(True)
        return [str(line) for line in lines.get(component)]
    if name in ("Label", "JLabel", "TextField", "TextArea", "JEditorPane"):
        return [str(component.getText() or "")]
    if name == "Checkbox":
        return [str(component.getLabel() or "")]
    if hasattr(component, "getComponents"):
        return [text for child in component.getComponents() for text in _texts(child)]
    return []
