-- Closed without an answer
-- Of the closed threads in which the contact has written, the share in which no person answered
-- after that. Open threads can still be answered, so they are left out; waiting_now.sql lists
-- them. Bots (B-), AI agents (L-), applications (I-), welcome messages and comments do not
-- count as an answer, so a thread that only a bot answered counts here.
-- Mail from a colleague (A-) can be INCOMING, and is neither a question nor an answer.
-- Archived threads, spam, and messages of threads that are not in the table are left out.
WITH questions AS (
    -- The contact's first message in each thread.
    SELECT
        threads.id AS thread,
        threads."inboxId" AS inbox_id,
        MIN(messages."createdAt") AS asked
    FROM threads
    JOIN messages ON messages."conversationsThreadId" = threads.id
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND messages.type = 'MESSAGE'
        AND messages.direction = 'INCOMING'
        AND LEFT(COALESCE(messages."createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
    GROUP BY threads.id, threads."inboxId"
),
responses AS (
    -- The first answer of a person after that, or null.
    SELECT
        questions.thread,
        questions.inbox_id,
        questions.asked,
        MIN(answers."createdAt") AS answered
    FROM questions
    LEFT JOIN messages AS answers
        ON answers."conversationsThreadId" = questions.thread
        AND answers.type = 'MESSAGE'
        AND answers.direction = 'OUTGOING'
        AND answers."createdBy" LIKE 'A-%'
        AND answers."createdAt" > questions.asked
    GROUP BY questions.thread, questions.inbox_id, questions.asked
),
outcomes AS (
    SELECT
        responses.inbox_id,
        CASE WHEN responses.answered IS NULL THEN 1 ELSE 0 END AS is_unanswered
    FROM responses
    JOIN threads ON threads.id = responses.thread
    WHERE threads.status = 'CLOSED'
)
SELECT
    COALESCE(inboxes.name, outcomes.inbox_id, 'unknown') AS inbox,
    COUNT(*) AS threads,
    SUM(outcomes.is_unanswered) AS never_answered,
    CAST(AVG(outcomes.is_unanswered) AS DOUBLE PRECISION) AS share
FROM outcomes
LEFT JOIN inboxes ON inboxes.id = outcomes.inbox_id
GROUP BY outcomes.inbox_id, inboxes.name
ORDER BY inbox, outcomes.inbox_id;
